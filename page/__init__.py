"""The page for administrators: HTML, CSS and ES modules, as the browser gets them."""
