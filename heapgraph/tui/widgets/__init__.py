"""The widgets of the browser, by area of the screen."""
