#!/bin/sh
# 在正在运行的牵桥（make up）上演一遍园区接入；全部为演示数据。只需要 curl 和本仓库的虚拟环境。
# Plays a park's intake on a running stack (make up) with demonstration data. Needs curl and this repository's .venv.
set -eu
cd "$(dirname "$0")/../../.."
bin=.venv/bin

field() { $bin/python -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
address() { # of a service, or kafka: where the running stack has it
  $bin/python - "$1" <<'FIND'
import sys
from qianqiao_stack import running
from qianqiao_stack.home import Home
found = running.require(Home.default())
print(found.kafka_bootstrap if sys.argv[1] == "kafka" else found.services[sys.argv[1]][0])
FIND
}
ask() { # $1 token, $2 path, $3 body, $4 content type
  curl -sS "$registry$2" -H "Authorization: Bearer $1" -H "Content-Type: ${4:-application/json}" -d "$3"
}

registry=$(address registry)
number=$(date +%s)
operator=$($bin/qianqiao token --role operator)

echo "1. 平台登记园区、企业和外部系统 · the operator registers a park, an enterprise and the park's system"
park=$(ask "$operator" /v1/parties '{"name": "（演示）园区", "kind": "park"}' | field id)
enterprise=$(ask "$operator" /v1/parties "{\"name\": \"（演示）企业\", \"kind\": \"enterprise\", \"park\": \"$park\"}" | field id)
source=/parks/demo-$number
secret=$(ask "$operator" /v1/sources "{\"uri\": \"$source\", \"park\": \"$park\", \"name\": \"（演示）园区系统\"}" | field secret)

echo "2. 经 Kafka 投递一条需求 · a need by Kafka"
KAFKA_BOOTSTRAP=$(address kafka) PARK_SOURCE=$source PARK_SECRET=$secret PARK_PARTY=$enterprise NEED_NUMBER=$number-1 \
  $bin/python libs/contracts/examples/park_publisher.py

echo "3. 经 HTTP 投递一条需求 · a need by HTTP"
token=$($bin/qianqiao token --party "$park" --role park)
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
need() { # $1 number, $2 title
  cat <<EVENT
{"specversion": "1.0", "id": "$1", "source": "$source", "type": "qianqiao.NeedPosted.v1",
 "subject": "$1", "time": "$now", "sequence": 1,
 "data": {"party": "$enterprise", "title": "$2", "difficulty": "（演示）-20 ℃ 至 50 ℃ 温漂过大",
  "negotiable": true, "channel": "intake", "last_confirmed": "$now"}}
EVENT
}
cloudevent=application/cloudevents+json
ask "$token" /v1/events "$(need "$number-2" '（演示）光谱仪温漂补偿')" $cloudevent

echo
echo "4. 一条会被拒收的：标题为空 · one that is refused: its title is empty"
ask "$token" /v1/events "$(need "$number-3" '')" $cloudevent

echo
echo "5. 总线上看到的：两条需求、一条拒收 · on the bus: two needs and a refusal"
$bin/qianqiao events tail --topic registry.needs --from-beginning --count 2
$bin/qianqiao events tail --topic intake.rejections --from-beginning --count 1 --data
