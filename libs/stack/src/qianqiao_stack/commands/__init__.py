"""The commands of ``qianqiao``, one module per group."""
