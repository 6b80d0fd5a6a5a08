"""The rows in PyTorch, for whoever has it installed: it is no dependency of this project."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

BATCH = 32


def mlp(case: Any) -> Any:
    """Return the network, which ends in logits."""
    nn = torch.nn
    hidden = [nn.Linear(64, case.width), nn.ReLU(), nn.Linear(case.width, case.width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(case.width, 10))


def objective(logits: Any, y: Any, weights: list[Any], lam: Any) -> Any:
    """Return mean cross-entropy + lam / 2 * sum of squared weights, biases left out."""
    return torch.nn.functional.cross_entropy(logits, y) + lam / 2 * sum(w.square().sum() for w in weights)


def tensors(case: Any) -> tuple[Any, Any]:
    """Return the images and the classes."""
    from benchmarks._rows import digits

    x, y = digits(case)
    return torch.from_numpy(x), torch.from_numpy(y)


def folds(case: Any) -> list[tuple[Any, Any]]:
    """Return the rows of each fold, trained on and held out."""
    from sklearn.model_selection import StratifiedKFold

    x, y = tensors(case)
    splits = StratifiedKFold(case.folds, shuffle=True, random_state=0).split(x, y)
    return [(torch.from_numpy(train), torch.from_numpy(held_out)) for train, held_out in splits]


def loop(case: Any) -> Callable[[int], None]:
    """A fit at a time, the loop of PyTorch's tutorials."""
    x, y = tensors(case)
    splits = folds(case)

    def fit(number: int) -> None:
        strength, fold = divmod(number, case.folds)
        (train, held_out), lam = splits[fold], float(case.lams[strength])
        model = mlp(case)
        weights = [p for p in model.parameters() if p.ndim > 1]
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(case.epochs):
            for rows in train[torch.randperm(len(train))].split(BATCH):
                optimizer.zero_grad()
                objective(model(x[rows]), y[rows], weights, lam).backward()
                optimizer.step()
            with torch.no_grad():
                torch.nn.functional.cross_entropy(model(x[held_out]), y[held_out]).item()

    return fit


def vmap(case: Any) -> Callable[[int], None]:
    """All strengths and folds as one stacked network."""
    x, y = tensors(case)
    splits = folds(case)
    lam = torch.from_numpy(np.repeat(case.lams, case.folds)).float()

    def fit(number: int) -> None:
        starts = [mlp(case) for _ in splits]
        stacked, _ = torch.func.stack_module_state(starts * case.strengths)
        values = {name: value.detach() for name, value in stacked.items()}
        forward = torch.func.vmap(lambda w, x: torch.func.functional_call(starts[0], w, (x,)), in_dims=(0, None))
        gradient = torch.func.vmap(torch.func.grad(member_objective(starts[0])))
        optimizer = torch.optim.Adam(values.values())  # elementwise, so stacked weights train as single ones do
        for _ in range(case.epochs):
            for rows in batches(splits, case.strengths):
                for name, value in gradient(values, lam, x[rows], y[rows]).items():
                    values[name].grad = value
                optimizer.step()
            forward(values, x).log_softmax(-1)  # all rows, held out or not

    return fit


def member_objective(model: Any) -> Callable[..., Any]:
    """Return the objective of one member as a function of its weights."""

    def member(weights: dict[str, Any], lam: Any, x: Any, y: Any) -> Any:
        logits = torch.func.functional_call(model, weights, (x,))
        return objective(logits, y, [w for name, w in weights.items() if name.endswith("weight")], lam)

    return member


def batches(splits: list[tuple[Any, Any]], strengths: int) -> list[Any]:
    """Return an epoch's batches, (members, batch) each: a fold's rows are the same for all its strengths."""
    steps = min(len(train) for train, _ in splits) // BATCH
    shuffled = [train[torch.randperm(len(train))][: steps * BATCH].view(steps, BATCH) for train, _ in splits]
    return list(torch.stack(shuffled * strengths, dim=1))
