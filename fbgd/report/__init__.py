"""From runs to tables, pages and figures."""
