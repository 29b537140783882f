"""Scripts that measure speed and that regenerate the tables the package ships."""
