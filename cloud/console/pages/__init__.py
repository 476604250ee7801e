"""HTML pages that the server writes itself: sign-in, first password, the page behind an acknowledge link."""
