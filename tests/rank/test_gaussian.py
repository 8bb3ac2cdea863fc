import numpy as np
import pytest

from rank.gaussian import WALK, Bins, Kernel, fit_kernel, infer, predict


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


def test_the_walk_stays_where_a_share_went_and_shrugs_at_a_single_bin() -> None:
    # 0.05 for two years, 0.1 in the year since; and a share that doubled in its newest bin.
    bins = bins_of(np.stack([np.r_[np.full(13, 0.1), np.full(26, 0.05)], np.r_[0.2, np.full(38, 0.1)]]), 20_000)

    def said(kernel: Kernel, days: float) -> np.ndarray:
        return np.exp(predict(bins, infer(bins, kernel), kernel, days).mean_S)

    assert said(Kernel(), 400.0)[0] < 0.085 < 0.095 < said(WALK, 400.0)[0] < 0.11
    assert said(WALK, 45.0)[1] < 0.14 < 0.17 < said(Kernel(), 45.0)[1]


def test_a_style_is_told_the_same_beside_any_others() -> None:
    rng = np.random.default_rng(2)
    bins = bins_of(rng.dirichlet(np.ones(6), 14).T, 500)
    whole, part = (predict(b, infer(b, Kernel()), Kernel(), 45.0) for b in (bins, bins.take(np.array([4, 1]))))
    assert part.mean_S == pytest.approx(whole.mean_S[[4, 1]], abs=1e-12)


def test_one_factor_a_step_finds_what_solving_anew_each_time_finds() -> None:
    rng = np.random.default_rng(3)
    styles, bins = 150, 20  # more than are solved for at once
    count_SP = rng.poisson(rng.uniform(0.1, 40, (styles, 1)), (styles, bins)).astype(float)
    count_SP[:5, 8:] = 0.0  # born late
    total_P, days = count_SP.sum(axis=0), -(np.arange(bins) * 28 + 14.0)
    seen, kernel = Bins(count_SP, total_P, days), Kernel()
    posterior = infer(seen, kernel)
    outlook = predict(seen, posterior, kernel, 45.0)
    k_PP = kernel.covariance(np.abs(days[:, None] - days)) + 1e-6 * np.eye(bins)
    k_P = kernel.covariance(np.abs(45.0 - days))
    for style in range(0, styles, 7):
        count_P = count_SP[style]
        alive_P = np.cumsum(count_P[::-1])[::-1] > 0
        centre = np.log((count_P.sum() + 0.5) / max((total_P * alive_P).sum(), total_P[0]))
        f_P = np.log((count_P + 0.5) / total_P) - centre
        for _ in range(4):
            expected_P = np.maximum(total_P * np.exp(np.clip(f_P + centre, -30, 0)), 1e-3)
            weight_PP = np.diag(np.sqrt(expected_P * alive_P))
            inner_PP = np.eye(bins) + weight_PP @ k_PP @ weight_PP
            aim_P = f_P + np.clip(count_P / expected_P - 1, -1, 5)
            pull_P = weight_PP @ np.linalg.solve(inner_PP, weight_PP @ aim_P)
            f_P = f_P + np.clip(k_PP @ pull_P - f_P, -2, 2)
        expected_P = np.maximum(total_P * np.exp(np.clip(f_P + centre, -30, 0)), 1e-3)
        fit = ((count_P * f_P - expected_P) * alive_P).sum() + count_P.sum() * centre
        evidence = fit - 0.5 * pull_P @ f_P - 0.5 * np.linalg.slogdet(inner_PP)[1]
        left = k_P @ weight_PP @ np.linalg.solve(inner_PP, weight_PP @ k_P)
        assert posterior.evidence_S[style] == pytest.approx(evidence, rel=1e-10, abs=1e-8)
        assert outlook.mean_S[style] == pytest.approx(centre + k_P @ pull_P, abs=1e-9)
        assert outlook.sd_S[style] == pytest.approx(np.sqrt(kernel.covariance(np.zeros(1))[0] - left), abs=1e-9)
