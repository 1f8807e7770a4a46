"""Qianqiao event contracts: the only thing services know of each other."""
