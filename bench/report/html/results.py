"""A result table on the page: sortable, with its intervals, marks of the best, and links to the jobs of every row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.report.html.elements import Child, Html, bullets, code, element, join, link, prose, scrollable
from bench.report.table import Column, Row, Table, best_values, is_best
from bench.report.tables.shown import MISSING, interval, plain_value, shown_columns


def row_anchor(table: Table, index: int) -> str:
    """Id of a table's row, counted in the order of `Table.rows`."""
    return f"{table.name}-row-{index + 1}"


def result_table(table: Table, sources: Mapping[str, str], notes: Sequence[Child] = ()) -> Html:
    """A table with heading, caption and notes.

    Args:
        table: what to show; columns in which no row has a value are left out.
        sources: job id → anchor of the section of its runner; other jobs, such as a reference's, are not on the page.
        notes: lines below it, before those of the table itself.
    """
    columns = shown_columns(table)
    best = best_values(table)
    of_words = {key for row in table.rows for key, value in row.values.items() if value.text is not None}
    anchors = {id(row): row_anchor(table, index) for index, row in enumerate(table.rows)}
    heading = [
        element("th", table.label_heading, scope="col", data_sort="text"),
        *(
            element(
                "th",
                column.label.replace("÷ ", "÷\u00a0"),
                scope="col",
                data_sort="text" if column.key in of_words else "number",
                data_best=column.best,
                class_="word" if column.key in of_words else "number",
            )
            for column in columns
        ),
        element("th", "Jobs", scope="col"),
    ]
    bodies = []
    for family, rows in table.families():
        head = element("tr", element("th", family, scope="rowgroup", colspan=len(columns) + 2), class_="family")
        body = [_row(row, columns, table, best, anchors[id(row)], sources) for row in rows]
        bodies.append(element("tbody", head, *body))
    caption = element("caption", element("span", table.caption or table.title))
    missing = [join([f"{mark} ", prose(text)]) for mark, text in table.footnotes()]
    missing += [join(["Missing: ", prose(note)]) for note in table.notes]
    return element(
        "section",
        element("h3", table.title),
        scrollable(
            element("table", caption, element("thead", element("tr", *heading)), *bodies, class_="sortable results"),
            table.title,
        ),
        bullets([*notes, *missing], class_="notes"),
        id=table.name,
        class_="table",
    )


def _row(
    row: Row,
    columns: Sequence[Column],
    table: Table,
    best: dict[str, float],
    anchor: str,
    sources: Mapping[str, str],
) -> Html:
    source = next((sources[item] for item in row.jobs if item in sources), None)
    note = element("span", f" ({row.note})", class_="note") if row.note else None
    family = element("span", row.family, class_="family-of")  # seen once the table is sorted across families
    jobs = join([_job(item, row) if item in sources else code(item[:6]) for item in row.jobs], " ")
    return element(
        "tr",
        element(
            "th",
            link(source, row.label) if source else row.label,
            row.marks or None,
            note,
            family,
            scope="row",
            data_value=row.label,
        ),
        *(_value(row, column, table, is_best(row, column, best)) for column in columns),
        element("td", jobs, class_="cells"),
        id=anchor,
    )


def _job(job_id: str, row: Row) -> Html:
    return link(f"cell-{job_id}", job_id[:6], aria_label=f"Job {job_id}, {row.label}")


def _value(row: Row, column: Column, table: Table, best: bool) -> Html:
    value = row.values.get(column.key)
    if value is not None and value.text is not None:  # first: the number of a word is NaN
        return element("td", value.text, class_="word", data_value=value.text)
    if value is None or math.isnan(value.value):
        return element("td", element("span", MISSING, class_="missing"), class_="number")
    number = plain_value(value, column, table, with_interval=False).replace("-", "−")
    within = interval(value, column).replace("-", "−") if column.interval and value.known else ""
    mark = element("span", " (best)", class_="unseen") if best else None
    return element(
        "td",
        element("strong", number, mark) if best else number,
        element("span", f" {within}", class_="interval") if within else None,
        class_="number",
        data_value=repr(float(value.value)),
    )
