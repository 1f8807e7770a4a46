"""The rules of policy matching: pure."""
