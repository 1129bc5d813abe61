/* Specimens: cells, columns, changes and files of atoms, and bad input. */
#ifndef AET_TESTS_SPECIMENS_H
#define AET_TESTS_SPECIMENS_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

static const int64_t one_vector[1] = {3};

static aet_const_view vector_view(const double values[3])
{
    return aet_const_view_c(values, AET_DTYPE_F64, 1, one_vector);
}

/* A unit cell of rock salt, 4 x 4 x 4 A. */
static aet_atoms *rock_salt(void)
{
    static const double positions[8][3] = {{0, 0, 0}, {2, 2, 0}, {2, 0, 2}, {0, 2, 2},
                                           {2, 2, 2}, {0, 0, 2}, {0, 2, 0}, {2, 0, 0}};
    static const int32_t species[8] = {11, 11, 11, 11, 17, 17, 17, 17};
    const int64_t shape[2] = {8, 3};
    const aet_const_view where = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    const aet_const_view what = aet_const_view_c(species, AET_DTYPE_I32, 1, shape);
    const double edges[3] = {4, 4, 4};
    const aet_const_view cell = vector_view(edges);
    aet_atoms *bare = NULL, *unit = NULL;
    require(aet_atoms_create(&where, &what, NULL, NULL, &bare), "rock salt");
    require(aet_atoms_with_cell(bare, &cell, &unit), "its cell");
    aet_atoms_free(bare);
    return unit;
}

static void check_specimen_changes(const aet_atoms *unit)
{
    aet_atoms *crystal = NULL, *slab = NULL, *turned = NULL, *placed = NULL, *thermal = NULL, *both = NULL;
    aet_atoms *moved = NULL, *wrapped = NULL, *chosen = NULL, *element = NULL;
    double cell[3] = {0, 0, 0}, b[16];
    const aet_view out = aet_view_c(cell, AET_DTYPE_F64, 1, one_vector);
    expect("repeated", aet_atoms_repeat(unit, 2, 1, 3, &crystal), AET_OK, "");
    expect("its cell", aet_atoms_copy_cell(crystal, &out), AET_OK, "");
    check("48 atoms in a larger cell", aet_atoms_count(crystal) == 48 && cell[0] == 8 && cell[1] == 4 && cell[2] == 12);
    expect("slab", aet_atoms_cut_slab(crystal, 2, 4, 8, &slab), AET_OK, "");
    check("a third is left", aet_atoms_count(slab) == 16);

    int64_t pairs = -1;
    expect("no close pairs", aet_atoms_close_pairs(crystal, 1.9, 1, NULL, NULL, &pairs), AET_OK, "");
    check("neighbours are 2 A apart", pairs == 0);
    const double by[3] = {3.9, 0, 0};
    const aet_const_view shift = vector_view(by);
    expect("shifted", aet_atoms_shift(unit, &shift, &moved), AET_OK, "");
    expect("folded back", aet_atoms_wrap(moved, 0, &wrapped), AET_OK, "");
    expect("joined", aet_atoms_merge(unit, wrapped, &both), AET_OK, "");
    expect("pairs counted", aet_atoms_close_pairs(both, 0.2, 0, NULL, NULL, &pairs), AET_OK, "");
    int32_t indices[8][2];
    double distances[8];
    const int64_t shape[2] = {8, 2};
    const aet_view indices_view = aet_view_c(indices, AET_DTYPE_I32, 2, shape);
    const aet_view distances_view = aet_view_c(distances, AET_DTYPE_F64, 1, shape);
    expect("pairs", aet_atoms_close_pairs(both, 0.2, 0, &indices_view, &distances_view, &pairs), AET_OK, "");
    check("each atom and its copy, across the face", pairs == 8 && indices[0][0] == 0 && indices[0][1] == 8 &&
                                                         fabs(distances[0] - 0.1) < 1e-12);

    const int32_t species[2] = {17, 11};
    const double of_element[2] = {0.5, 0.25};
    const int64_t two = 2;
    const aet_const_view species_view = aet_const_view_c(species, AET_DTYPE_I32, 1, &two);
    const aet_const_view element_view = aet_const_view_c(of_element, AET_DTYPE_F64, 1, &two);
    expect("per element", aet_atoms_with_element_values(slab, "debye_waller_b", &species_view, &element_view, &element),
           AET_OK, "");
    const int64_t sixteen = 16;
    const aet_view b_view = aet_view_c(b, AET_DTYPE_F64, 1, &sixteen);
    expect("read", aet_atoms_copy_column(element, "debye_waller_b", &b_view), AET_OK, "");
    check("B of sodium and chlorine", b[0] == 0.25 && b[4] == 0.5);
    for (int i = 0; i < 16; i++) b[i] = 0.1;
    const aet_const_view rms = aet_const_view_c(b, AET_DTYPE_F64, 1, &sixteen);
    expect("rms displacements", aet_atoms_with_column(slab, "rms_displacement", &rms, &thermal), AET_OK, "");
    expect("read as U", aet_atoms_copy_column(thermal, "debye_waller_u", &b_view), AET_OK, "");
    check("U is the square", fabs(b[15] - 0.01) < 1e-15);

    const double quarter_turn[3][3] = {{0, -1, 0}, {1, 0, 0}, {0, 0, 1}};
    const int64_t square[2] = {3, 3};
    const aet_const_view rotation = aet_const_view_c(quarter_turn, AET_DTYPE_F64, 2, square);
    const double extent[3] = {20, 20, 20};
    const aet_const_view extent_view = vector_view(extent);
    expect("turned", aet_atoms_rotate(thermal, &rotation, &turned), AET_OK, "");
    expect("cell of the turned", aet_atoms_copy_cell(turned, &out), AET_OK, "");
    check("the cell does not turn", isnan(cell[0]));
    expect("placed", aet_atoms_place_in_cell(turned, &extent_view, NULL, 1, &placed), AET_OK, "");
    expect("its cell", aet_atoms_copy_cell(placed, &out), AET_OK, "");
    check("20 A wide", cell[0] == 20 && cell[2] == 20);
    const int64_t last_first[2] = {15, 0};
    expect("subset", aet_atoms_subset(placed, last_first, 2, &chosen), AET_OK, "");
    check("two atoms", aet_atoms_count(chosen) == 2);
    aet_atoms *all[] = {crystal, slab, turned, placed, thermal, both, moved, wrapped, chosen, element};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) aet_atoms_free(all[i]);
}

static void check_specimen_files(const aet_atoms *unit, const char *file)
{
    static const char *const formats[] = {"xyz", "cif", "poscar", "lammps", "pdb"};
    for (int i = 0; i < 5; i++) {
        aet_atoms *again = NULL;
        double cell[3] = {0, 0, 0};
        const aet_view out = aet_view_c(cell, AET_DTYPE_F64, 1, one_vector);
        expect(formats[i], aet_atoms_write_as(unit, file, formats[i]), AET_OK, "");
        expect("read again", aet_atoms_read_as(file, formats[i], &again), AET_OK, "");
        expect("its cell", aet_atoms_copy_cell(again, &out), AET_OK, "");
        check("the same atoms", aet_atoms_count(again) == 8 && cell[0] == 4 && cell[1] == 4 && cell[2] == 4);
        aet_atoms_free(again);
    }
    aet_atoms *none = NULL;
    expect("unknown format", aet_atoms_write_as(unit, file, "cube"), AET_ERROR_UNKNOWN_OPTION, "poscar");
    expect("unknown ending", aet_atoms_write(unit, "atoms.cube"), AET_ERROR_UNKNOWN_OPTION, "atoms.cube");
    require(aet_atoms_write_as(unit, file, "pdb"), "a file");
    expect_nothing("PDB read as CIF", aet_atoms_read_as(file, "cif", &none), AET_ERROR_FORMAT, "line 1", none);
    expect_nothing("PDB read as POSCAR", aet_atoms_read_as(file, "poscar", &none), AET_ERROR_FORMAT, "line", none);
    expect_nothing("PDB read as LAMMPS", aet_atoms_read_as(file, "lammps", &none), AET_ERROR_FORMAT, "atoms", none);
    aet_atoms *bare = NULL;
    require(aet_atoms_with_cell(unit, NULL, &bare), "no cell");
    expect("CIF without cell", aet_atoms_write_as(bare, file, "cif"), AET_ERROR_NOT_READY, "cell");
    aet_atoms_free(bare);
}

static void check_specimen_bad_input(const aet_atoms *unit)
{
    const double flat[3] = {4, 0, 4}, wide[3] = {1, 1, 1}, far_away[3] = {0, NAN, 0};
    const double mirror[3][3] = {{-1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    const double few[2] = {0.5, 0.5}, negative[8] = {0, 0, -1, 0, 0, 0, 0, 0};
    const int64_t two = 2, eight = 8, square[2] = {3, 3}, no_atom[2] = {0, 8}, below[1] = {-1};
    const int32_t sodium = 11;
    const int64_t one = 1;
    const aet_const_view flat_view = vector_view(flat), wide_view = vector_view(wide), away = vector_view(far_away);
    const aet_const_view mirror_view = aet_const_view_c(mirror, AET_DTYPE_F64, 2, square);
    const aet_const_view few_view = aet_const_view_c(few, AET_DTYPE_F64, 1, &two);
    const aet_const_view negative_view = aet_const_view_c(negative, AET_DTYPE_F64, 1, &eight);
    const aet_const_view sodium_view = aet_const_view_c(&sodium, AET_DTYPE_I32, 1, &one);
    const aet_const_view one_view = aet_const_view_c(few, AET_DTYPE_F64, 1, &one);
    aet_atoms *none = NULL, *bare = NULL;
    expect_nothing("flat cell", aet_atoms_with_cell(unit, &flat_view, &none), AET_ERROR_RANGE, "along y", none);
    expect_nothing("cell of two edges", aet_atoms_with_cell(unit, &few_view, &none), AET_ERROR_SHAPE, "cell", none);
    expect_nothing("unknown column", aet_atoms_with_column(unit, "colour", &few_view, &none), AET_ERROR_UNKNOWN_OPTION,
                   "colour", none);
    expect_nothing("too few values", aet_atoms_with_column(unit, "occupancy", &few_view, &none), AET_ERROR_SHAPE,
                   "values", none);
    expect_nothing("negative B", aet_atoms_with_column(unit, "debye_waller_b", &negative_view, &none), AET_ERROR_RANGE,
                   "debye_waller_b of atom 2 is -1", none);
    expect_nothing("no value for chlorine",
                   aet_atoms_with_element_values(unit, "debye_waller_b", &sodium_view, &one_view, &none),
                   AET_ERROR_INCONSISTENT, "Cl", none);
    expect_nothing("reflection", aet_atoms_rotate(unit, &mirror_view, &none), AET_ERROR_INCONSISTENT, "rotation", none);
    expect_nothing("NaN shift", aet_atoms_shift(unit, &away, &none), AET_ERROR_NON_FINITE, "shift", none);
    expect_nothing("cell too small", aet_atoms_place_in_cell(unit, &wide_view, NULL, 1, &none), AET_ERROR_INCONSISTENT,
                   "outside", none);
    expect_nothing("no size", aet_atoms_place_in_cell(unit, NULL, NULL, 0, &none), AET_ERROR_INCONSISTENT, "extent",
                   none);
    expect_nothing("two sizes", aet_atoms_place_in_cell(unit, &wide_view, &wide_view, 0, &none), AET_ERROR_INCONSISTENT,
                   "both", none);
    expect_nothing("fourth axis", aet_atoms_cut_slab(unit, 3, 0, 1, &none), AET_ERROR_RANGE, "axis", none);
    expect_nothing("slab backwards", aet_atoms_cut_slab(unit, 0, 1, 0, &none), AET_ERROR_RANGE, "end", none);
    expect_nothing("empty slab", aet_atoms_cut_slab(unit, 0, 2.5, 3, &none), AET_ERROR_EMPTY, "slab", none);
    expect_nothing("atom 8 of 8", aet_atoms_subset(unit, no_atom, 2, &none), AET_ERROR_RANGE, "8", none);
    expect_nothing("atom -1", aet_atoms_subset(unit, below, 1, &none), AET_ERROR_RANGE, "-1", none);
    expect_nothing("no atom", aet_atoms_subset(unit, NULL, 0, &none), AET_ERROR_EMPTY, "subset", none);
    expect_nothing("0 repeats", aet_atoms_repeat(unit, 1, 0, 1, &none), AET_ERROR_RANGE, "along y", none);
    expect_nothing("-1 repeats", aet_atoms_repeat(unit, 1, -1, 1, &none), AET_ERROR_RANGE, "ny", none);
    expect_nothing("too many", aet_atoms_repeat(unit, 4096, 4096, 4096, &none), AET_ERROR_RANGE, "repeats", none);
    int64_t pairs = -1;
    expect("distance 0", aet_atoms_close_pairs(unit, 0, 0, NULL, NULL, &pairs), AET_ERROR_RANGE, "distance");
    expect("beyond half of the cell", aet_atoms_close_pairs(unit, 2.5, 0, NULL, NULL, &pairs), AET_ERROR_RANGE, "half");
    expect("no place for the count", aet_atoms_close_pairs(unit, 1, 0, NULL, NULL, NULL), AET_ERROR_NULL, "count");
    check("nothing is written on failure", pairs == -1);
    require(aet_atoms_with_cell(unit, NULL, &bare), "no cell");
    expect_nothing("repeats without cell", aet_atoms_repeat(bare, 2, 2, 2, &none), AET_ERROR_NOT_READY, "cell", none);
    expect_nothing("folding without cell", aet_atoms_wrap(bare, 0, &none), AET_ERROR_NOT_READY, "cell", none);
    expect_nothing("NULL to merge", aet_atoms_merge(bare, NULL, &none), AET_ERROR_NULL, "other", none);
    aet_atoms_free(bare);
    expect_nothing("freed atoms", aet_atoms_wrap(bare, 0, &none), AET_ERROR_STALE_HANDLE, "aet_atoms", none);
}

static void check_specimens(const char *file)
{
    printf("# specimens\n");
    aet_atoms *unit = rock_salt();
    check_specimen_changes(unit);
    check_specimen_files(unit, file);
    check_specimen_bad_input(unit);
    check("the unit cell never changed", aet_atoms_count(unit) == 8);
    aet_atoms_free(unit);
}

#endif
