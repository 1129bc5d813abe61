"""Peers of benches/multislice: FFTW's pair of transforms (pyfftw) and abTEM's multislice and PRISM on the CPU.

Reads one JSON request per line and answers each with a JSON line, {"seconds": ...} or {"error": ...}, so that the
benchmark can alternate between this program and its own work:

    {"what": "fftw", "pixels": 256, "threads": 1, "repeats": 20}     per forward + inverse pair, one wave per thread
    {"what": "abtem", "pixels": 256, "threads": 1}                   per probe and slice
    {"what": "gold", "positions": [x, y, z, ...], "prism": 0, "scan": 8, "threads": 2}    the whole scan
    "clock": "cpu" counts time of the processor, shared out among the threads, instead of elapsed time

Needs numpy and pyfftw; the last two also abtem, dask and ase."""
import json, sys, threading, time
import numpy as np

PROBES, SLICES = 8, 8
plans, potentials = {}, {}


def clock(request):
    threads = request["threads"]
    return (lambda: time.process_time() / threads) if request.get("clock") == "cpu" else time.perf_counter


def fftw_plans(n, threads):
    """One pair of plans with its wave per thread; planned once per size, measured."""
    import pyfftw

    pairs = plans.setdefault(n, [])
    while len(pairs) < threads:
        wave = pyfftw.empty_aligned((n, n), "complex64")
        options = dict(axes=(0, 1), flags=("FFTW_MEASURE",), threads=1)
        forward = pyfftw.FFTW(wave, wave, direction="FFTW_FORWARD", **options)
        pairs.append((wave, forward, pyfftw.FFTW(wave, wave, direction="FFTW_BACKWARD", **options)))
    return pairs[:threads]


def fftw(request):
    n, threads, repeats = request["pixels"], request["threads"], request["repeats"]

    def work(pair):
        wave, forward, backward = pair
        wave[:] = 0  # unnormalised pairs would overflow after some repeats, and what is not a number may be slow
        for _ in range(repeats):
            forward.execute()  # without the interpreter's lock, so that threads run beside each other
            backward.execute()

    workers = [threading.Thread(target=work, args=(pair,)) for pair in fftw_plans(n, threads)]
    now = clock(request)
    start = now()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (now() - start) / repeats / threads


def configure(threads):
    import abtem, dask

    abtem.config.set({"precision": "float32", "fft": "fftw", "fftw.threads": 1,
                      "diagnostics.progress_bar": False, "warnings.overspecified-grid": False})
    if threads > 1:
        dask.config.set(scheduler="threads", num_workers=threads)
    else:
        dask.config.set(scheduler="synchronous")
    return abtem


def abtem(request):
    """What another slice costs: probes are made and detected in both runs."""
    module = configure(request["threads"])
    n, rng = request["pixels"], np.random.default_rng(0)
    if n not in potentials:
        potentials.clear()
        potentials[n] = (rng.random((SLICES, n, n)) * 20).astype(np.float32)
    values, extent = potentials[n], n * 0.1
    positions = np.random.default_rng(1).random((PROBES, 2)) * extent
    probe = module.Probe(energy=300e3, semiangle_cutoff=21.4, gpts=n, extent=extent)
    detector, now = module.AnnularDetector(inner=30, outer=60), clock(request)

    def run(slices):
        potential = module.PotentialArray(values[:slices], slice_thickness=2.0, extent=(extent, extent))
        scan, start = module.CustomScan(positions), now()
        probe.scan(potential, scan=scan, detectors=detector, max_batch=PROBES // 2, lazy=True).compute()
        return now() - start

    one = run(1)
    return (run(SLICES) - one) / PROBES / (SLICES - 1)


def gold(request):
    module, now = configure(request["threads"]), clock(request)
    from ase import Atoms

    positions = np.reshape(request["positions"], (-1, 3))
    atoms = Atoms(f"Au{len(positions)}", positions=positions, cell=[64.0, 64.0, 56.0], pbc=True)
    options = dict(gpts=512, slice_thickness=2.0, parametrization="kirkland", projection="infinite")
    if "gold" not in potentials:
        potentials["gold"] = module.Potential(atoms, **options).build(lazy=False)
    scan = module.GridScan(start=(5, 5), end=(59, 59), gpts=request["scan"], endpoint=False)
    detector, beam = module.FlexibleAnnularDetector(step_size=1.0), dict(energy=300e3, semiangle_cutoff=21.4)
    start = now()
    if request["prism"]:
        matrix = module.SMatrix(potential=potentials["gold"], interpolation=request["prism"], **beam)
        matrix.scan(scan=scan, detectors=detector).compute()
    else:
        probe = module.Probe(gpts=512, extent=64.0, **beam)
        probe.scan(potentials["gold"], scan=scan, detectors=detector, max_batch=8).compute()
    return now() - start


WORK = {"fftw": fftw, "abtem": abtem, "gold": gold}
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"seconds": WORK[request["what"]](request)}
    except Exception as error:  # a missing package, too: the benchmark shows it and goes on
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
