"""What every Qianqiao service needs and no service is about."""
