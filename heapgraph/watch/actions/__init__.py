"""How the world is told: incidents, messages, webhooks with a spool on disk, commands."""
