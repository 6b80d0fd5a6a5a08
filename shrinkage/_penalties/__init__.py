"""Penalties R(w) = lam * P(w), which are added to the data loss, and the part of a training step that applies them."""

from shrinkage._penalties._check import as_how as as_how
from shrinkage._penalties._check import as_penalty as as_penalty
from shrinkage._penalties._check import check_how as check_how
from shrinkage._penalties._check import find_matching_penalty as find_matching_penalty
from shrinkage._penalties._check import get_keras_strengths as get_keras_strengths
from shrinkage._penalties._elementwise import L1 as L1
from shrinkage._penalties._elementwise import L2 as L2
from shrinkage._penalties._elementwise import ElasticNet as ElasticNet
from shrinkage._penalties._elementwise import Weights as Weights
from shrinkage._penalties._group_lasso import GroupLasso as GroupLasso
from shrinkage._penalties._how import Coupled as Coupled
from shrinkage._penalties._how import Decoupled as Decoupled
from shrinkage._penalties._how import How as How
from shrinkage._penalties._how import Proximal as Proximal
from shrinkage._penalties._protocol import Penalty as Penalty
from shrinkage._penalties._term import Term as Term
from shrinkage._penalties._term import make_terms as make_terms
from shrinkage._penalties._term import make_weight_penalties as make_weight_penalties
