/* Generated atoms from C. */
#ifndef GENERATED_H
#define GENERATED_H

#include <math.h>
#include <string.h>

#include "check.h"

static aet_structure_options structure_options(aet_structure structure)
{
    aet_structure_options options;
    require(aet_structure_options_init(&options, sizeof options), "structure options");
    options.structure = structure;
    return options;
}

static aet_structure_options gold_options(void)
{
    aet_structure_options options = structure_options(AET_STRUCTURE_FACE_CENTRED_CUBIC);
    options.species[0] = 79;
    options.lattice_a = 4.078;
    return options;
}

/* Number of atoms that come of these options. */
static int64_t generated_count(const aet_structure_options *options)
{
    aet_atoms *atoms = NULL;
    require(aet_atoms_generate(options, NULL, NULL, &atoms), "generated atoms");
    const int64_t count = aet_atoms_count(atoms);
    aet_atoms_free(atoms);
    return count;
}

static void expect_no_atoms(const char *what, const aet_structure_options *options, aet_status wanted,
                            const char *mention)
{
    aet_atoms *atoms = NULL;
    expect_nothing(what, aet_atoms_generate(options, NULL, NULL, &atoms), wanted, mention, atoms);
}

static void check_structures(void)
{
    aet_structure_options options = gold_options();
    options.shape = AET_PARTICLE_SHAPE_TRUNCATED_OCTAHEDRON;
    options.width = 20;
    check("gold in a truncated octahedron", generated_count(&options) == 201);
    options.vacancies = 0.1;
    check("a tenth of it missing", generated_count(&options) == 181);
    options = gold_options();
    options.structure = AET_STRUCTURE_ICOSAHEDRON;
    options.shells[0] = 4;
    check("the fourth magic number", generated_count(&options) == 309);
    options = structure_options(AET_STRUCTURE_FILM);
    options.extent[0] = options.extent[1] = 20;
    options.extent[2] = 10;
    check("a film of carbon", generated_count(&options) == 401);

    require(aet_structure_options_preset(&options, sizeof options, "m0"), "m0");
    check("the decahedron of the paper", generated_count(&options) == 25790);
    require(aet_structure_options_preset(&options, sizeof options, "bao"), "bao");
    check("barium oxide", options.species_counts[0] == 486 && generated_count(&options) == 987);
    require(aet_structure_options_preset(&options, sizeof options, "m3"), "m3");
    options.count = 200;
    check("a small m3", generated_count(&options) == 200);
}

static int32_t stop_generating(void *calls, const aet_progress *progress)
{
    (void)progress;
    ++*(int *)calls;
    return 1;
}

static void check_bad_structures(void)
{
    aet_structure_options options = gold_options();
    aet_atoms *atoms = NULL;
    expect("no options", aet_atoms_generate(NULL, NULL, NULL, &atoms), AET_ERROR_NULL, "options");
    options.width = 20;
    expect("no place", aet_atoms_generate(&options, NULL, NULL, NULL), AET_ERROR_NULL, "atoms");
    expect("preset without a name", aet_structure_options_preset(&options, sizeof options, NULL), AET_ERROR_NULL, "name");
    expect("preset without options", aet_structure_options_preset(NULL, 8, "m1"), AET_ERROR_NULL, "options");
    expect("preset of wrong size", aet_structure_options_preset(&options, 4, "m1"), AET_ERROR_STRUCT_SIZE, "4");
    expect("unknown preset", aet_structure_options_preset(&options, sizeof options, "m9"), AET_ERROR_UNKNOWN_OPTION,
           "cuau");
    options.structure = 99;
    expect_no_atoms("unknown structure", &options, AET_ERROR_UNKNOWN_OPTION, "AET_STRUCTURE_SPINEL");
    options = gold_options();
    expect_no_atoms("no size", &options, AET_ERROR_NOT_READY, "width");
    options.width = 20;
    options.shape = -1;
    expect_no_atoms("unknown shape", &options, AET_ERROR_UNKNOWN_OPTION, "AET_PARTICLE_SHAPE_BALL");
    options.shape = AET_PARTICLE_SHAPE_BALL;
    options.species[0] = 104;
    expect_no_atoms("element 104", &options, AET_ERROR_RANGE, "103");
    options = gold_options();
    options.width = NAN;
    expect_no_atoms("NaN as width", &options, AET_ERROR_RANGE, "width");
    options.width = 1e12;
    expect_no_atoms("a particle of 100 m", &options, AET_ERROR_RANGE, "at most");
    options.width = 0;
    options.count = -5;
    expect_no_atoms("-5 atoms", &options, AET_ERROR_RANGE, "count");
    options.count = INT64_MAX;
    expect_no_atoms("too many atoms", &options, AET_ERROR_RANGE, "at most");
    options = gold_options();
    options.width = 20;
    options.support = AET_SUPPORT_EXIT;
    expect_no_atoms("a film of no thickness", &options, AET_ERROR_RANGE, "extent");
    options.support = 7;
    expect_no_atoms("unknown support", &options, AET_ERROR_UNKNOWN_OPTION, "AET_SUPPORT_EXIT");
    options = structure_options(AET_STRUCTURE_AMORPHOUS);
    options.minimum_distance = 2.3;
    options.width = 30;
    options.count = 9000;
    expect_no_atoms("too dense", &options, AET_ERROR_INCONSISTENT, "at most 0.55 is possible: 1523 atoms");
    options.density = 2;
    expect_no_atoms("three sizes", &options, AET_ERROR_INCONSISTENT, "set one to 0");
    options = gold_options();
    options.width = 20;
    options.reserved = 1;
    expect_no_atoms("reserved member", &options, AET_ERROR_RANGE, "reserved");

    int calls = 0;
    require(aet_structure_options_preset(&options, sizeof options, "m8"), "m8");
    expect_nothing("a million atoms, stopped", aet_atoms_generate(&options, stop_generating, &calls, &atoms),
                   AET_CANCELLED, "", atoms);
    check("progress came once", calls == 1);
}

static void check_generated(void)
{
    printf("# generated atoms\n");
    check_structures();
    check_bad_structures();
}

#endif
