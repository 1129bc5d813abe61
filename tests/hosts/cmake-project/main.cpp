// The least that shows a working installation: the header compiles, the library links and loads, a call works.
#include <cstdio>
#include <vector>

#include <aet.hpp>

int main() {
    try {
        const std::vector<double> positions{0, 0, 0, 1, 2, 3};
        const aet::Atoms atoms({positions, {2, 3}});
        std::printf("libaet %s: %d atoms\n", aet::version().c_str(), static_cast<int>(atoms.size()));
        return 0;
    } catch (const aet::error &failure) {
        std::fprintf(stderr, "%s: %s\n", failure.name(), failure.what());
        return 1;
    }
}
