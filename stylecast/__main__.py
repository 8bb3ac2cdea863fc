"""The command line: `stylecast COMMAND …`. The one place in this package that looks back at the stages."""

import importlib
import sys
from dataclasses import dataclass

from stylecast import __version__
from stylecast.cli import run_stage


@dataclass(frozen=True)
class Command:
    """Where a command's `main`, config and recipes are found; imported when it is called, so that help is quick."""

    module: str
    config: str
    help: str
    main: str = "main"
    recipes: str | None = None
    neural: bool = False
    spreads: bool = False


COMMANDS = {
    "sample": Command("data.sample", "SampleConfig", "make the sample world: posts, pictures, and the truth"),
    "prepare": Command("data.prepare", "PrepareConfig", "read and validate posts, clean text, decode pictures",
                       main="command"),
    "pretrain": Command("pretrain.train", "PretrainConfig", "train a picture encoder on tags and captions",
                        recipes="pretrain.recipes", neural=True),
    "caption": Command("pretrain.caption", "CaptionConfig", "write texts for posts that have pictures and no text"),
    "recall": Command("recall.train", "RecallConfig", "train picture-word and picture-sentence matching; embed; index",
                      recipes="recall.recipes", neural=True),
    "styles": Command("recall.styles", "StylesConfig", "cluster pictures (or texts) into styles, count them by day"),
    "emerging": Command("recall.accept", "AcceptConfig", "new styles that a run of `styles` proposes; accept some"),
    "compare": Command("recall.compare", "CompareConfig", "styles from pictures, text or both, side by side"),
    "rank": Command("rank.train", "RankConfig", "train the forecasters and backtest them over rolling origins",
                    recipes="rank.recipes", neural=True),
    "features": Command("rank.feature_list", "FeaturesConfig", "list what LightGBM learns from: name and meaning"),
    "ablate": Command("rank.ablate", "AblateConfig", "tell what each modality and encoder brings to the fusion-LSTM",
                      neural=True),
    "single-shot": Command("rank.single_shot", "SingleShotConfig", "learn which posts become hot, from the post alone",
                           neural=True),
    "score-posts": Command("rank.score_posts", "ScorePostsConfig", "tell how likely new posts are to become hot"),
    "ensemble": Command("ensemble.train", "EnsembleConfig", "search weights on validation, combine the forecasts"),
    "explain": Command("ensemble.explain", "ExplainConfig", "tell what moved the forecast of a style"),
    "leaderboard": Command("ensemble.leaderboard", "LeaderboardConfig", "score every style, of new posts too; a page"),
    "run": Command("ensemble.pipeline", "RunConfig", "all of the above in order, from a table of posts to the page",
                   recipes="ensemble.recipes", spreads=True),
    "forecast": Command("ensemble.forecast", "ForecastConfig", "forecast a ready panel", main="forecast_main"),
    "backtest": Command("ensemble.forecast", "BacktestConfig", "backtest a ready panel", main="backtest_main"),
    "kddcup": Command("recall.kddcup", "KddCupConfig", "KDD Cup 2020 Multimodalities Recall: files to submission",
                      recipes="recall.kddcup_recipes", neural=True),
    "kddcup-sample": Command("data.sample_kddcup", "KddCupSampleConfig", "make files like those of KDD Cup 2020"),
    "evaluate": Command("recall.evaluate", "EvaluateConfig", "tell how well a recall run matches; your own pools"),
    "audit": Command("ensemble.audit", "AuditConfig", "check that no forecast of a run used what came after it"),
    "alerts": Command("ensemble.alerts", "AlertsConfig", "hold numbers of a finished run against bounds"),
    "weigh": Command("ensemble.search", "WeighConfig", "search weights that blend files of scores, by a metric"),
    "blend": Command("ensemble.blend", "BlendConfig", "apply such weights to files of other queries; a submission"),
    "search": Command("recall.search", "SearchConfig", "find the pictures that match a phrase"),
    "serve": Command("ensemble.serve", "ServeConfig", "leaderboard and search of a run, as pages and as JSON"),
}  # fmt: skip


def usage() -> str:
    """The commands, one a line."""
    lines = [f"  {name:<12} {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        ["usage: stylecast COMMAND [FLAGS]", "", "Finds the styles in a feed of posts; predicts their share.", "",
         "commands:", *lines, "", "stylecast COMMAND --help shows every setting with its unit and default."]
    )  # fmt: skip


def run_command(name: str, args: list[str]) -> int:
    """Run one command with its flags; the exit code."""
    command = COMMANDS[name]
    module = importlib.import_module(command.module)
    cls = getattr(module, command.config)
    recipes = importlib.import_module(command.recipes).RECIPES if command.recipes else {}
    return run_stage(
        getattr(module, command.main), cls, prog=f"stylecast {name}", description=cls.__doc__ or command.help,
        recipes=recipes, module=command.module if command.neural else None, spreads=command.spreads, args=args,
    )  # fmt: skip


def main(args: list[str] | None = None) -> None:
    """Entry point of `stylecast` and `python -m stylecast`."""
    given = sys.argv[1:] if args is None else args
    if not given or given[0] in ("-h", "--help"):
        sys.stdout.write(usage() + "\n")
        sys.exit(0 if given else 2)
    if given[0] == "--version":
        sys.stdout.write(f"stylecast {__version__}\n")
        sys.exit(0)
    if given[0] not in COMMANDS:
        sys.stderr.write(f"stylecast: error: unknown command {given[0]!r}; one of {', '.join(COMMANDS)}\n")
        sys.exit(2)
    sys.exit(run_command(given[0], given[1:]))


if __name__ == "__main__":
    main()
