"""What a page says about its tuned setting: what was chosen, how surely, and where a better value may lie."""

from fbgd.studies.selection import Choice


def choice_paragraphs(key: str, chosen: dict[str, Choice | None], *, shown: bool = False) -> list[str]:
    """What a reader of the table must know about the choices.

    Args:
        key: what was chosen.
        chosen: by the names of the rows.
        shown: whether the table has a column with what was chosen.
    """
    known = {name: choice for name, choice in chosen.items() if choice is not None}
    nothing = [name for name, choice in chosen.items() if choice is None]
    unsearched = f"Without a result of every search seed, so with the middle value: {'; '.join(nothing)}."
    if not known:
        return [unsearched] if nothing else []
    if all(len(choice.values) == 1 for choice in known.values()):
        return [f"{key} has one value for each row, so nothing was chosen."]
    seeds = max(choice.seeds for choice in known.values())
    counts = [len(choice.known) for choice in known.values()]
    count = " to ".join(str(number) for number in dict.fromkeys((min(counts), max(counts))))
    texts = [
        f"{key} was chosen for each row from {count} "
        f"values by the mean validation accuracy over {seeds} search seed{'s' if seeds > 1 else ''}, none of which "
        "counts in the table: of the values within one standard error of the best, the one nearest their middle; see "
        "search.csv. The intervals of the table are those of the chosen values."
    ]
    if not shown:
        texts.append(f"Chosen: {'; '.join(f'{name} {choice.value:g}' for name, choice in known.items())}.")
    doubts = [f"{name} {doubt}" for name, choice in known.items() if (doubt := doubt_about(choice))]
    if seeds == 1:
        texts.append("With one search seed the uncertainty of these choices is unknown.")
    elif doubts:
        texts.append(
            "A bootstrap over the search seeds chooses another value in so many of its draws (in brackets the other "
            f"values with what they change of the mean validation accuracy, points): {'; '.join(doubts)}."
        )
    else:
        texts.append("A bootstrap over the search seeds always chooses the same values.")
    if edge := [name for name, choice in known.items() if choice.side]:
        texts.append(
            f"The best or chosen value is the first or last, so a better one may lie beyond: {'; '.join(edge)}."
        )
    lost = [
        f"{name} {value:g}" for name, choice in known.items() for value in choice.values if value not in choice.known
    ]
    if lost:
        texts.append(f"Without a result of every search seed, so not to be chosen: {'; '.join(lost)}.")
    return [*texts, unsearched] if nothing else texts


def doubt_about(choice: Choice) -> str:
    """How often other values are chosen, and what they change; empty where they never are."""
    others = [index for index in choice.shares.argsort()[::-1] if index != choice.place and choice.shares[index] > 0]
    if not others:
        return ""
    changes = 100 * (choice.means - choice.means[choice.place])
    told = ", ".join(f"{choice.values[index]:g}: {changes[index]:+.1f}" for index in others)
    return f"{100 * (1 - choice.shares[choice.place]):.0f} % ({told})"
