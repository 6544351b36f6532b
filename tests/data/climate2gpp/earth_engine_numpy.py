"""Request graphs computed with NumPy, by what Earth Engine documents of the few algorithms that they use.

An image is bands by name, each (row, column) values, NaN where masked; a collection is a list of dated images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Image = dict[str, np.ndarray]


@dataclass
class Server:
    """Computes graphs on collections.

    Attributes:
        collections: dated images by name of the collection.
        pixels: of the source a side of a target cell, which begins where the images begin.
    """

    collections: dict[str, list[tuple[str, Image]]]
    pixels: int

    def __call__(self, node: dict[str, Any], given: dict[str, Any] | None = None) -> Any:
        """What a node of a graph stands for; ``given`` are the arguments of the function that it is the body of."""
        ((kind, content),) = node.items()
        if kind == "functionInvocationValue":
            arguments = {name: self(value, given) for name, value in content["arguments"].items()}
            return getattr(self, content["functionName"].replace(".", "_"))(**arguments)
        if kind == "functionDefinitionValue":
            return lambda *values: self(content["body"], dict(zip(content["argumentNames"], values, strict=True)))
        if kind == "arrayValue":
            return [self(value, given) for value in content["values"]]
        return (given or {})[content] if kind == "argumentReference" else content

    def ImageCollection_load(self, id: str) -> list[tuple[str, Image]]:
        return self.collections[id]

    def DateRange(self, start: str, end: str) -> tuple[str, str]:
        return start, end

    def Filter_dateRangeContains(self, leftValue: tuple[str, str], rightField: str) -> Callable[[str], bool]:
        assert rightField == "system:time_start"
        return lambda date: leftValue[0] <= date < leftValue[1]

    def Collection_filter(self, collection: list[Any], filter: Callable[[str], bool]) -> list[Any]:
        return [(date, image) for date, image in collection if filter(date)]

    def Collection_map(self, collection: list[Any], baseAlgorithm: Callable[[Image], Image]) -> list[Any]:
        return [(date, baseAlgorithm(image)) for date, image in collection]

    def Collection_first(self, collection: list[Any]) -> Image:
        image: Image = collection[0][1]
        return image

    def Image_select(self, input: Image, bandSelectors: list[str]) -> Image:
        return {name: input[name] for name in bandSelectors}

    def Image_rename(self, input: Image, names: list[str]) -> Image:
        return dict(zip(names, input.values(), strict=True))

    def Image_addBands(self, dstImg: Image, srcImg: Image) -> Image:
        assert not set(dstImg) & set(srcImg)
        return {**dstImg, **srcImg}

    def Image_projection(self, image: Image) -> None:
        return None

    def Image_setDefaultProjection(self, image: Image, crs: None) -> Image:
        return image

    def _reduce(self, collection: list[Any], how: Callable[[np.ndarray], np.ndarray]) -> Image:
        """Reducers skip what is masked; where nothing is left, the result is masked."""
        found = {}
        for name in collection[0][1]:
            stack = np.stack([image[name] for _, image in collection])
            known = np.isfinite(stack).any(axis=0)
            found[name] = np.where(known, how(np.where(known, stack, 0.0)), np.nan)
        return found

    def reduce_sum(self, collection: list[Any]) -> Image:
        return self._reduce(collection, lambda stack: np.nansum(stack, axis=0))

    def reduce_mean(self, collection: list[Any]) -> Image:
        return self._reduce(collection, lambda stack: np.nanmean(stack, axis=0))

    def reduce_count(self, collection: list[Any]) -> Image:
        return self._reduce(collection, lambda stack: np.isfinite(stack).sum(axis=0))

    def Image_constant(self, value: float) -> float:
        return value

    def Image_eq(self, image1: Image, image2: float) -> Image:
        return {name: np.where(np.isnan(band), np.nan, band == image2) for name, band in image1.items()}

    def Image_gte(self, image1: Image, image2: float) -> Image:
        return {name: np.where(np.isnan(band), np.nan, band >= image2) for name, band in image1.items()}

    def Image_mask(self, image: Image) -> Image:
        return {name: np.isfinite(band).astype(np.float64) for name, band in image.items()}

    def Image_updateMask(self, image: Image, mask: Image) -> Image:
        pairs = zip(image.items(), mask.values(), strict=True)
        return {name: np.where(np.nan_to_num(keep) > 0, band, np.nan) for (name, band), keep in pairs}

    def Reducer_mean(self) -> str:
        return "mean"

    def Image_reduceResolution(self, image: Image, reducer: str, maxPixels: int) -> Image:
        """The mean of whatever is unmasked, even of a single pixel."""
        assert reducer == "mean" and self.pixels**2 <= maxPixels
        side, found = self.pixels, {}
        for name, band in image.items():
            cells = band.reshape(len(band) // side, side, -1, side).transpose(0, 2, 1, 3).reshape(-1, side * side)
            known = np.isfinite(cells)
            total = np.where(known, cells, 0.0).sum(axis=1)
            mean = np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
            found[name] = mean.reshape(len(band) // side, -1)
        return found

    def Image_unmask(self, input: Image, value: float) -> Image:
        return {name: np.where(np.isnan(band), value, band) for name, band in input.items()}

    def Image_toFloat(self, value: Image) -> Image:
        return {name: band.astype(np.float32) for name, band in value.items()}
