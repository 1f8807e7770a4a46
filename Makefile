# 牵桥：每个命令都先准备好 .venv（仅在依赖变化时）· every command prepares .venv first, only when dependencies changed.
.DEFAULT_GOAL := help
.PHONY: help setup up demo test test-long check generate bench bench-matching lock clean

BIN := .venv/bin

help: ## 这份说明 · this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: ## 准备虚拟环境 · make the virtual environment
	@tools/setup

demo: setup ## 启动全部，演一遍沙龙的上午；ONCE=1 演完即停 · start everything and play the salon morning
	@$(BIN)/qianqiao demo $(if $(ONCE),--once)

up: setup ## 启动全部并保持运行 · start everything and leave it running
	@$(BIN)/qianqiao up

test: setup ## 全部测试 · all tests
	$(BIN)/pytest -q

test-long: setup ## 同样的故障，更多轮 · the same faults, many more rounds
	QIANQIAO_TEST_LONG=1 $(BIN)/pytest -q -m long

check: setup ## 规范、类型、依赖方向、契约、生成的文档 · lint, types, imports, contracts, generated documents
	@tools/check

generate: setup ## 重做生成的文档 · write the generated documents anew
	@$(BIN)/python -m qianqiao_contracts export
	@$(BIN)/python tools/generated.py

bench: setup ## 性能，同一次运行中与对照相比 · performance, as ratios within one run
	@$(BIN)/qianqiao bench

bench-matching: setup ## 匹配的质量、速度、规模；PACK=数据包 · quality, speed and scale of matching
	$(BIN)/python -m bench.matching $(if $(PACK),--pack $(PACK))

COMPILE := uv pip compile - --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header \
	--no-annotate --quiet

lock: ## 重做 requirements.lock（需要 uv）· make the locks anew; needs uv
	@command -v uv >/dev/null || { echo '需要 uv：pip install uv · needs uv: pip install uv' >&2; exit 1; }
	python=$$(tools/find-python) && $$python tools/lock_inputs.py | $(COMPILE) -o requirements.lock
	python=$$(tools/find-python) && $$python tools/lock_inputs.py --services | $(COMPILE) -c requirements.lock -o deploy/services.lock

clean: ## 删除虚拟环境、状态和缓存文件 · remove .venv, state and caches
	rm -rf .venv .qianqiao .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
