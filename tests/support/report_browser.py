"""Pages of the report in a browser."""

from contextlib import contextmanager

NASTY = "<script>document.title = 'run'</script>"


@contextmanager
def opened(browser, address, *, allowed=(), script=None, **options):
    """A page that is open; fails when it asks for anything else than itself, or says anything on the console."""
    context = browser.new_context(**options)
    wrong = []

    def answer(route):
        url = route.request.url
        if url in (address, *allowed):
            route.continue_()
        else:
            wrong.append(url)
            route.abort()

    context.route("**/*", answer)
    if script:
        context.add_init_script(script)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert wrong == []


def first_cells(page):
    """The rows that are shown, by their names, in their order."""
    return page.locator("table.values tbody tr:visible th").all_inner_texts()
