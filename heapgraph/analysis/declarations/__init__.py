"""What can be asked, declared once: command line, browser, Python interface and docs follow."""
