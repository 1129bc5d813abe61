/* The least that shows a working installation: the header compiles, the library links and loads, a call works. */
#include <stdio.h>

#include <aet.h>

int main(void)
{
    const double positions[2][3] = {{0, 0, 0}, {1, 2, 3}};
    const int64_t shape[2] = {2, 3};
    const aet_const_view view = aet_const_view_c(positions, AET_DTYPE_F64, 2, shape);
    aet_atoms *atoms = NULL;
    const aet_status status = aet_atoms_create(&view, NULL, NULL, NULL, &atoms);
    if (status != AET_OK) {
        fprintf(stderr, "%s: %s\n", aet_status_name(status), aet_last_error_message());
        return 1;
    }
    printf("libaet %s: %d atoms\n", aet_version_string(), (int)aet_atoms_count(atoms));
    aet_atoms_free(atoms);
    return 0;
}
