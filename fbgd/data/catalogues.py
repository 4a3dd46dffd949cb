"""Messages of the web framework Django and their translations: real sentence pairs that come with a package."""

from dataclasses import replace
from pathlib import Path

from fbgd.data.dataset import Arrays
from fbgd.data.translation import Pair, clean, split_pairs, translation
from fbgd.errors import nearest, needs


def catalogues(
    language: str | list[str] = "de",
    vocabulary: int = 1000,
    max_tokens: int = 40,
    test_share: float = 0.1,
    seed: int = 0,
) -> Arrays:
    """Load the pairs (translation, English message) of the catalogues in Django's package.

    No sentence of the test set occurs in the training set, in any language.

    Args:
        language: Django's name of the language to translate into English from, or a list of several: German has about
            870 different pairs, all 97 languages together about 60000, of the same messages.
        vocabulary: size of the joint sub-word vocabulary, learned from the training pairs.
        max_tokens: longer pairs are dropped.
        test_share: share of the messages held out for testing, in (0, 1).
        seed: of the split.

    Raises:
        MissingPackageError: a package of the extra ``translation`` is not installed.
        ValueError: an argument is outside its range, or an unknown language.

    Source: the Django project's translation teams, https://www.djangoproject.com, BSD licence.
    """
    with needs("translation"):
        import django
    folder = Path(django.__file__).parent
    known = [path.name for path in sorted((folder / "conf/locale").iterdir()) if path.is_dir() and path.name != "en"]
    languages = [language] if isinstance(language, str) else list(language)
    if not languages:
        raise ValueError("language = [] must name one language or more")
    pairs: dict[Pair, None] = {}
    for name in languages:
        if name not in known:
            raise ValueError(f"language = {name!r} is unknown; {nearest(str(name), known)}")
        for place in ("conf", "contrib/*"):
            for path in sorted(folder.glob(f"{place}/locale/{name}/LC_MESSAGES/*.po")):
                pairs |= dict.fromkeys(read_catalogue(path))
    arrays = translation(*split_pairs(pairs, test_share, seed), vocabulary, max_tokens)
    return replace(arrays, facts={**arrays.facts, "django": django.__version__})


def read_catalogue(path: Path) -> list[Pair]:
    """The pairs (translation, message) of a gettext catalogue.

    Entries that are obsolete, fuzzy or without translation are left out. Of an entry with a plural, the first form
    translates the singular, and every further one the plural.
    """
    with needs("translation"):
        import polib
    pairs = []
    for entry in polib.pofile(str(path)):
        if entry.obsolete or entry.fuzzy:
            continue
        forms = [(entry.msgstr, entry.msgid)]
        if entry.msgid_plural:
            forms = [
                (text, entry.msgid_plural if index else entry.msgid)
                for index, text in sorted(entry.msgstr_plural.items())
            ]
        cleaned = [(clean(text), clean(message)) for text, message in forms]
        pairs += [pair for pair in cleaned if all(pair)]
    return pairs
