/* Tracing with a lattice: what comes back, and bad input. */
#ifndef AET_TESTS_LATTICES_H
#define AET_TESTS_LATTICES_H

#include <math.h>
#include <stdio.h>

#include "check.h"

enum { LATTICE_EDGE = 40 };

/* A body-centred crystal of 4 A in voxels of 0.5 A, its corner at (0.3, -0.2, 0.1). */
static aet_volume *lattice_volume(const aet_context *context, double height)
{
    static float values[LATTICE_EDGE][LATTICE_EDGE][LATTICE_EDGE];
    const int64_t shape[3] = {LATTICE_EDGE, LATTICE_EDGE, LATTICE_EDGE};
    const double turn = 6.283185307179586 / 4;
    for (int z = 0; z < LATTICE_EDGE; z++)
        for (int y = 0; y < LATTICE_EDGE; y++)
            for (int x = 0; x < LATTICE_EDGE; x++) {
                const double a = cos(turn * (0.5 * (x - LATTICE_EDGE / 2) - 0.3));
                const double b = cos(turn * (0.5 * (y - LATTICE_EDGE / 2) + 0.2));
                const double c = cos(turn * (0.5 * (z - LATTICE_EDGE / 2) - 0.1));
                values[z][y][x] = (float)(1 + height * (a * b + b * c + c * a));
            }
    const aet_const_view view = aet_const_view_c(values, AET_DTYPE_F32, 3, shape);
    aet_volume *volume = NULL;
    require(aet_volume_create(context, &view, 0.5, &volume), "a crystal in a volume");
    return volume;
}

static aet_atoms *lattice_cell(void)
{
    const double positions[6] = {0, 0, 0, 2, 2, 2}, edges[3] = {4, 4, 4};
    const int32_t species[2] = {26, 26};
    const int64_t shape[2] = {2, 3}, two = 2, three = 3;
    const aet_const_view places = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    const aet_const_view numbers = aet_const_view_c(species, AET_DTYPE_I32, 1, &two);
    const aet_const_view cell = aet_const_view_c(edges, AET_DTYPE_F64, 1, &three);
    aet_atoms *bare = NULL, *crystal = NULL;
    require(aet_atoms_create(&places, &numbers, NULL, NULL, &bare), "the atoms of a cell");
    require(aet_atoms_with_cell(bare, &cell, &crystal), "their cell");
    aet_atoms_free(bare);
    return crystal;
}

static double lattice_value(const aet_table *sites, const char *name)
{
    double value = NAN;
    require(aet_table_value(sites, name, &value), name);
    return value;
}

static int32_t stop_lattice(void *user, const aet_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

static void check_lattice_faults(const aet_context *context, const aet_volume *volume, const aet_atoms *crystal)
{
    aet_lattice_options options;
    aet_atoms *none = NULL, *bare = NULL;
    aet_table *nothing = NULL;
    require(aet_atoms_with_cell(crystal, NULL, &bare), "no cell");
    expect("crystal without a cell", aet_volume_trace_lattice(volume, bare, NULL, NULL, NULL, NULL, &none, &nothing),
           AET_ERROR_NOT_READY, "cell");
    expect("crystal NULL", aet_volume_trace_lattice(volume, NULL, NULL, NULL, NULL, NULL, &none, NULL),
           AET_ERROR_NULL, "crystal");
    aet_volume *flat = lattice_volume(context, 0);
    expect("constant volume", aet_volume_trace_lattice(flat, crystal, NULL, NULL, NULL, NULL, &none, NULL),
           AET_ERROR_INCONSISTENT, "volume");
    expect("no volume", aet_volume_trace_lattice(NULL, crystal, flat, NULL, NULL, NULL, &none, NULL), AET_ERROR_NULL,
           "volume");
    aet_volume_free(flat);

    require(aet_lattice_options_init(&options, sizeof options), "options");
    options.rotation[0] = options.rotation[4] = options.rotation[8] = 2;
    expect("no rotation", aet_volume_trace_lattice(volume, crystal, NULL, &options, NULL, NULL, &none, NULL),
           AET_ERROR_INCONSISTENT, "rotation");
    require(aet_lattice_options_init(&options, sizeof options), "options");
    options.vectors[0] = options.vectors[4] = options.vectors[8] = 0.9;
    expect("cell below two voxels", aet_volume_trace_lattice(volume, bare, NULL, &options, NULL, NULL, &none, NULL),
           AET_ERROR_RANGE, "two voxels");
    options.vectors[0] = options.vectors[4] = options.vectors[8] = 5.3;
    expect("another crystal", aet_volume_trace_lattice(volume, bare, NULL, &options, NULL, NULL, &none, NULL),
           AET_ERROR_EMPTY, "Bragg");
    require(aet_lattice_options_init(&options, sizeof options), "options");
    options.species = 8;
    expect("oxygen in iron", aet_volume_trace_lattice(volume, crystal, NULL, &options, NULL, NULL, &none, NULL),
           AET_ERROR_RANGE, "species");
    require(aet_lattice_options_init(&options, sizeof options), "options");
    options.threshold = 2;
    expect("threshold 2", aet_volume_trace_lattice(volume, crystal, NULL, &options, NULL, NULL, &none, NULL),
           AET_ERROR_RANGE, "threshold");
    expect("lattice stopped", aet_volume_trace_lattice(volume, crystal, NULL, NULL, stop_lattice, NULL, &none, &nothing),
           AET_CANCELLED, "");
    check("failures write no handle", none == NULL && nothing == NULL);
    aet_atoms_free(bare);
}

static void check_lattices(const aet_context *context)
{
    printf("# tracing with a lattice\n");
    aet_volume *volume = lattice_volume(context, 1);
    aet_atoms *crystal = lattice_cell(), *atoms = NULL;
    aet_table *sites = NULL;
    expect("lattice", aet_volume_trace_lattice(volume, crystal, NULL, NULL, NULL, NULL, &atoms, &sites), AET_OK, "");
    check("every site has its atom", lattice_value(sites, "found_fraction") == 1 &&
                                         aet_atoms_count(atoms) == aet_table_row_count(sites) &&
                                         lattice_value(sites, "found") == (double)aet_atoms_count(atoms));
    check("about two per cell", aet_atoms_count(atoms) > 100 && aet_atoms_count(atoms) < 250);
    check("near its site", lattice_value(sites, "mean_displacement") < 0.05);
    check("not turned", lattice_value(sites, "rotation_xx") > 0.9999 && lattice_value(sites, "rotation_yy") > 0.9999);
    /* the corner or the middle of the cell */
    const double shift = lattice_value(sites, "shift_x");
    check("the shift", fabs(shift - 0.3) < 0.05 || fabs(shift - 0.3 + 2) < 0.05 || fabs(shift - 2.3) < 0.05);
    check("no strain", fabs(lattice_value(sites, "strain_zz")) < 0.01);
    aet_atoms_free(atoms);
    atoms = NULL;
    expect("atoms alone", aet_volume_trace_lattice(volume, crystal, volume, NULL, NULL, NULL, &atoms, NULL), AET_OK, "");
    check("fewer where the volume is its own mask", aet_atoms_count(atoms) <= aet_table_row_count(sites));
    check_lattice_faults(context, volume, crystal);
    aet_table_free(sites);
    aet_atoms_free(atoms);
    aet_atoms_free(crystal);
    aet_volume_free(volume);
}

#endif
