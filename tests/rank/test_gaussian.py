import numpy as np
import pytest

from rank.gaussian import Bins, Kernel, fit_kernel, infer, predict


def bins_of(share_SP: np.ndarray, total: float, step: int = 28) -> Bins:
    bins = share_SP.shape[1]
    return Bins(share_SP * total, np.full(bins, total), -(np.arange(bins) * step + step / 2.0))


def test_it_is_the_textbook_regression_when_counts_are_large() -> None:
    # With counts in the millions the Poisson noise vanishes next to the kernel: plain Gaussian regression.
    rng = np.random.default_rng(0)
    share_SP = 0.05 * np.exp(rng.normal(0, 0.1, (2, 8)))
    bins, kernel = bins_of(share_SP, 1e6), Kernel()
    outlook = predict(bins, infer(bins, kernel), kernel, 45.0)
    k_PP = kernel.covariance(np.abs(bins.middle_P[:, None] - bins.middle_P)) + 1e-6 * np.eye(8)
    k_P = kernel.covariance(np.abs(45.0 - bins.middle_P))
    centre_S = np.log(share_SP.mean(axis=1))
    noise_SP = 1 / (share_SP * 1e6)
    for style in range(2):
        solved_P = np.linalg.solve(k_PP + np.diag(noise_SP[style]), np.log(share_SP[style]) - centre_S[style])
        assert outlook.mean_S[style] == pytest.approx(centre_S[style] + k_P @ solved_P, abs=1e-3)
        left = k_P @ np.linalg.solve(k_PP + np.diag(noise_SP[style]), k_P)
        assert outlook.sd_S[style] == pytest.approx(np.sqrt(kernel.covariance(np.zeros(1))[0] - left), abs=1e-3)


def test_thin_counts_are_believed_less() -> None:
    share_SP = np.array([[0.2] + [0.1] * 11])
    said = [
        predict(bins, infer(bins, Kernel()), Kernel(), 45.0).mean_S[0]
        for bins in (bins_of(share_SP, 20), bins_of(share_SP, 20_000))
    ]
    assert np.log(0.1) < said[0] < said[1] < np.log(0.2)


def test_a_dead_style_stays_dead_and_all_is_finite() -> None:
    share_SP = np.array([[0.0] * 6 + [0.1] * 6, [0.1] * 12, [0.0] * 12, [0.1] + [0.0] * 11])
    bins = bins_of(share_SP, 2000)
    outlook = predict(bins, infer(bins, Kernel()), Kernel(), 45.0)
    assert np.isfinite(outlook.mean_S).all()
    assert outlook.mean_S[0] < np.log(0.01)
    assert outlook.mean_S[3] > np.log(0.03)  # just born: what was before its birth does not count


def test_fitting_finds_whether_there_is_a_season() -> None:
    rng = np.random.default_rng(1)
    days = -(np.arange(36) * 28 + 14.0)
    for swing, low, high in ((0.6, 0.25, 2.0), (0.0, 0.0, 0.12)):
        log_SP = swing * np.cos(2 * np.pi * days / 365.25 + rng.uniform(0, 6, (30, 1)))
        count_SP = rng.poisson(3000 * 0.03 * np.exp(log_SP))
        bins = Bins(count_SP.astype(float), np.full(36, 3000.0), days)
        fitted = fit_kernel(bins, Kernel())
        assert low < fitted.season_sd < high
        assert infer(bins, fitted).evidence_S.sum() > infer(bins, Kernel()).evidence_S.sum()


def test_a_style_is_told_the_same_beside_any_others() -> None:
    rng = np.random.default_rng(2)
    bins = bins_of(rng.dirichlet(np.ones(6), 14).T, 500)
    whole, part = (predict(b, infer(b, Kernel()), Kernel(), 45.0) for b in (bins, bins.take(np.array([4, 1]))))
    assert part.mean_S == pytest.approx(whole.mean_S[[4, 1]], abs=1e-12)
