"""Counts the rooms of the project, the arrows between them and the circles: ``python -m tools.rooms``.

A room is a package of `bench` (with its sub-packages), a module that lies loose in it, or a package of `models`. An
arrow is one or more imports from one room to another; a circle is a set of modules that import each other by a detour.
"""

from __future__ import annotations

from pathlib import Path

import grimp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def room_of(module: str) -> str:
    """The room that a module belongs to."""
    parts = module.split(".")
    return parts[0] if parts[0] == "models" else ".".join(parts[:2])


def main() -> None:
    """Prints the counts, and every circle."""
    graph = grimp.build_graph("bench", "models", exclude_type_checking_imports=True, cache_dir=None)
    modules = sorted(graph.modules)
    place = {module: index for index, module in enumerate(modules)}
    pairs = {
        (module, found)
        for module in modules
        for found in graph.find_modules_directly_imported_by(module)
        if not found.startswith(f"{module}.")  # a package that gathers names of its own modules
    }
    rooms = {room_of(module) for module in modules} - {"bench"}
    arrows = {(room_of(one), room_of(other)) for one, other in pairs} - {(room, room) for room in rooms}
    rows, columns = zip(*((place[one], place[other]) for one, other in pairs), strict=True)
    matrix = csr_array(([1] * len(pairs), (rows, columns)), shape=(len(modules),) * 2)
    _, label = connected_components(matrix, connection="strong")
    circles = [[modules[i] for i in range(len(modules)) if label[i] == one] for one in set(label.tolist())]
    circles = [circle for circle in circles if len(circle) > 1]
    loose = [room for room in rooms if (Path(*room.split("."))).with_suffix(".py").is_file()]
    print(f"{len(modules)} modules, {len(rooms)} rooms ({len(loose)} of them loose modules), {len(arrows)} arrows")
    print(f"{len(circles)} circles" + "".join(f"\n  {' ↔ '.join(circle)}" for circle in circles))


if __name__ == "__main__":
    main()
