"""PyTorch twin of the local-orbital model (what the LOT papers used): seconds per tilt of one loss and gradient.

    python lot_torch_bench.py --atoms 2000 --tilts 3 --sections 3 --threads 2 --modes rigid

Per tilt: splat of all atoms into 4 A slices (9 x 9 windows, B 0.35 A^2), transforms, one product per slice and focus,
back, mean square difference; gradient of positions, heights and width by automatic differentiation, then one Adam step.
Pixel 0.34 A. Needs torch and numpy. Prints one JSON line per case."""
import argparse, json, math, time
import numpy as np, torch

SIZE = {2000: (39, 144), 10000: (66.5, 224), 50000: (120, 384), 200000: (190, 576)}
PIXEL, SLICE, WIDTH = 0.34, 4.0, 0.35


def rotation(deg):
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    return torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=torch.float32)


def splat(position, height, width, n, slices, half):
    row, column = position[:, 1] / PIXEL + n // 2, position[:, 0] / PIXEL + n // 2
    with torch.no_grad():
        k = ((position[:, 2] + slices * SLICE / 2) / SLICE).floor().long().clamp_(0, slices - 1)
        near_row, near_column = row.round().long().clamp_(half, n - 1 - half), column.round().long().clamp_(half, n - 1 - half)
        o = torch.arange(-half, half + 1)
        index = ((k * n + near_row) * n + near_column)[:, None] + (o[:, None] * n + o[None]).reshape(1, -1)
    g_row = torch.exp(-((near_row[:, None] + o[None] - row[:, None]) * PIXEL) ** 2 / width)
    g_column = torch.exp(-((near_column[:, None] + o[None] - column[:, None]) * PIXEL) ** 2 / width) * height[:, None]
    patch = (g_row[:, :, None] * g_column[:, None, :]).reshape(-1)
    return torch.zeros(slices * n * n).index_add(0, index.reshape(-1), patch).view(slices, n, n)


def one_pass(tilts, parameters, observed, probes, n, slices, half):
    for value in parameters:
        value.grad = None
    position, height, width = parameters
    for j, turn in enumerate(tilts):
        spectra = torch.fft.rfft2(splat(position @ turn.T, height, width, n, slices, half))
        loss = 0.0
        for m, probe in enumerate(probes):
            image = torch.fft.irfft2((spectra * probe).sum(0), s=(n, n))
            loss = loss + 0.5 * ((image - observed[j, m]) ** 2).mean()
        loss.backward()


def measure(atoms, tilts, sections, threads):
    torch.set_num_threads(threads)
    diameter, n = SIZE.get(atoms) or (2 * (atoms / 65e-3 * 3 / 4 / math.pi) ** (1 / 3), 0)
    n = n or int(diameter / PIXEL * 1.1) // 2 * 2
    slices = math.ceil((diameter + 4) / SLICE)
    half = max(2, math.ceil(2.6 * math.sqrt(WIDTH / 2) / PIXEL))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(atoms, 3))
    x *= (diameter / 2 * rng.random((atoms, 1)) ** (1 / 3)) / np.linalg.norm(x, axis=1, keepdims=True)
    parameters = [torch.tensor(x, dtype=torch.float32), torch.ones(atoms), torch.tensor(WIDTH)]
    for value in parameters:
        value.requires_grad_(True)
    adam = torch.optim.Adam(parameters, lr=1e-2)
    observed = torch.full((tilts, sections, n, n), 0.1)
    # The time does not depend on the values of the probes.
    probes = [torch.ones(slices, n, n // 2 + 1, dtype=torch.complex64) for _ in range(sections)]
    turns = [rotation(t) for t in np.linspace(-70, 70, tilts)]
    times = []
    for _ in range(4):
        start = time.perf_counter()
        one_pass(turns, parameters, observed, probes, n, slices, half)
        adam.step()
        times.append(time.perf_counter() - start)
    return dict(peer="pytorch", mode="rigid", atoms=atoms, n=n, slices=slices, sections=sections, threads=threads,
                s_per_tilt=round(min(times[1:]) / tilts, 5))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--atoms", type=int, nargs="+", default=[2000, 10000, 50000])
    parser.add_argument("--tilts", type=int, default=3)
    parser.add_argument("--sections", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--modes", nargs="+", default=["rigid"], help="only rigid")
    a = parser.parse_args()
    for count in a.atoms:
        print(json.dumps(measure(count, a.tilts, a.sections, a.threads)), flush=True)
