"""What tests of services and of the chassis share. Never imported by a running service."""
