"""Finance: which offer suits a firm's request, by nothing but what the firm consented to show."""
