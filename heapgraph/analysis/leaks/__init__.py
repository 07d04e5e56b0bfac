"""What makes an object a suspect, and how that is said."""
