"""The paper's own data set: ERA5-Land, MCD12C1 and PML_V2, from files or from Earth Engine exports."""

NAME = "climate2gpp"
