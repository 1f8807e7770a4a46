"""Where a development system's mail, texts and traces arrive: SMTP, a Kannel-like SMS gateway, an OTLP collector."""
