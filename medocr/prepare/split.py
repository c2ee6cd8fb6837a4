"""The split: whole groups, per document type, as near to the shares as whole groups allow, and proved free of leaks."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import imagehash
import numpy as np
from PIL import Image
from rapidfuzz.distance import Levenshtein
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medocr.schema import Page

SPLITS = ("train", "validation", "test")
NEAR_BITS = 26  # of 256: scans of one page differ in some 10 % of the hash's bits, unlike pages in about half
NEAR_TEXT = 0.9  # pages of one template look alike; only nearly the same text makes them copies
CLOSEST = 2000  # pairs nearest by image whose texts the report compares


def image_hash(image: Image.Image) -> np.ndarray:
    """A 256-bit perceptual hash (DCT) as four uint64."""
    bits = imagehash.phash(image, hash_size=16).hash
    return np.packbits(bits).view(np.uint64)


def split(
    pages: Sequence[Page], hashes: np.ndarray, shares: tuple[float, float, float], seed: int
) -> tuple[dict[str, list[int]], dict]:
    """Assign every page to train, validation or test; returns their indices and the leakage report.

    `hashes` is (pages, 4) uint64 of `image_hash`. A page whose source says where it belongs (`Page.split`) goes there.
    Of the others, what must stay together is a page's `group`, and near duplicates whatever their group; where groups
    are unknown, clusters of near duplicates are the groups. Such a cluster follows a page in it whose split is known.
    """
    if len(shares) != len(SPLITS) or min(shares) < 0 or not abs(sum(shares) - 1) <= 1e-6:
        raise ValueError(f"split is {shares}: give the shares of train, validation and test, which add up to 1")
    if not pages:
        raise ValueError(
            "no page is left to train on: 03 needs pages with text. Look at the rejections of the stages before, "
            "and raise max_answer_tokens if pages were rejected as too long"
        )
    copies = near_duplicates(pages, hashes)
    clusters = _clusters(pages, copies)
    stated = np.array(_stated(pages, clusters))
    (free,) = np.nonzero(stated == "")
    drawn = _assign([pages[i] for i in free], clusters[free], shares, np.random.default_rng(seed))
    parts = {
        name: sorted([*np.flatnonzero(stated == name).tolist(), *(int(free[i]) for i in drawn[name])])
        for name in SPLITS
    }
    for name in ("train", "test"):
        if not parts[name]:
            raise ValueError(
                f"the {name} split is empty: {len(pages)} pages in {len(set(clusters))} independent groups are too "
                "few to train and to test on. Add pages (about 100 fill every split), or labels for those there are"
            )
    return parts, leakage(pages, hashes, parts, copies)


def near_duplicates(pages: Sequence[Page], hashes: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of pages that look alike and read alike, or that have the very same text."""
    texts = [" ".join((page.text or "").split()) for page in pages]
    first: dict[str, int] = {}
    pairs = [(first[text], i) for i, text in enumerate(texts) if first.setdefault(text, i) != i]
    for i in range(len(pages)):
        distances = np.bitwise_count(hashes[i + 1 :] ^ hashes[i]).sum(axis=1)
        for j in np.flatnonzero(distances <= NEAR_BITS) + i + 1:
            if Levenshtein.normalized_similarity(texts[i], texts[j], score_cutoff=NEAR_TEXT) >= NEAR_TEXT:
                pairs.append((i, int(j)))
    return pairs


def group_of(page: Page) -> str | None:
    """What a page must not be parted from: its group, or else the document of several pages that it is one of."""
    if page.group is None and page.pages > 1:
        return page.origin.removesuffix(f"#{page.page}")
    return page.group


def _clusters(pages: Sequence[Page], copies: list[tuple[int, int]]) -> np.ndarray:
    """Number of the cluster each page is in: connected through a common group or a near duplicate."""
    first: dict[str, int] = {}
    grouped = [(first.setdefault(group, i), i) for i, page in enumerate(pages) if (group := group_of(page))]
    edges = np.array(grouped + copies, dtype=int).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(pages), len(pages)))
    return connected_components(graph, directed=False)[1]


def _stated(pages: Sequence[Page], clusters: np.ndarray) -> list[str]:
    """The split that each page's source says, or that of a page in its cluster (test first: nothing leaks), or ""."""
    of_cluster: dict[int, str] = {}
    for page, cluster in zip(pages, clusters, strict=True):
        if page.split and page.split not in SPLITS:
            raise ValueError(f"{page.origin}: split is {page.split!r}, which is none of {', '.join(SPLITS)}")
        if page.split and of_cluster.get(cluster) != "test":
            of_cluster[cluster] = page.split
    return [page.split or of_cluster.get(cluster, "") for page, cluster in zip(pages, clusters, strict=True)]


def _assign(pages, clusters, shares, rng) -> dict[str, list[int]]:
    """Per document type, draw whole clusters for test, then for validation; the rest is to train on."""
    members = defaultdict(list)
    for i, cluster in enumerate(clusters):
        members[cluster].append(i)
    by_type = defaultdict(list)
    for indices in members.values():
        by_type[Counter(pages[i].doc_type for i in indices).most_common(1)[0][0]].append(indices)
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    sizes = {kind: sum(map(len, groups)) for kind, groups in sorted(by_type.items())}
    targets = {name: _targets(sizes, share) for name, share in zip(SPLITS, shares, strict=True) if name != "train"}
    for kind in sizes:
        groups = [by_type[kind][i] for i in rng.permutation(len(by_type[kind]))]
        for name in ("test", "validation"):
            chosen = choose([len(group) for group in groups], targets[name][kind])
            parts[name] += [i for c in chosen for i in groups[c]]
            groups = [group for g, group in enumerate(groups) if g not in set(chosen)]
        parts["train"] += [i for group in groups for i in group]
    return {name: sorted(indices) for name, indices in parts.items()}


def _targets(sizes: dict[str, int], share: float) -> dict[str, int]:
    """Pages wanted per type. What rounding leaves over is carried on, so that the sum is right too."""
    if not sizes:
        return {}
    targets, total = {}, 0.0
    for kind, size in sizes.items():
        total += size * share
        targets[kind] = math.floor(total + 0.5) - sum(targets.values())
    largest = max(sizes, key=lambda kind: sizes[kind])
    if share > 0 and not any(targets.values()) and sizes[largest] > 2:
        targets[largest] = 1
    return targets


def choose(sizes: list[int], target: int) -> list[int]:
    """Indices of groups whose sizes add up as near to `target` as they can, earlier groups preferred.

    Subset sum over bit sets: bit s of `reach[k]` says whether the first k groups can add up to s.
    """
    limit = (1 << (2 * target + 1)) - 1
    reach = [1]
    for size in sizes:
        if reach[-1] >> target & 1:
            break
        reach.append((reach[-1] | reach[-1] << size) & limit)
    sums = (s for s in range(2 * target + 1) if reach[-1] >> s & 1)
    left = min(sums, key=lambda s: (abs(s - target), s))
    chosen = []
    for k in range(len(reach) - 1, 0, -1):
        if not reach[k - 1] >> left & 1:
            chosen.append(k - 1)
            left -= sizes[k - 1]
    return chosen[::-1]


def leakage(pages: Sequence[Page], hashes: np.ndarray, parts: dict[str, list[int]], copies) -> dict:
    """What the splits share, counted again from the finished splits and not from how they were made."""
    where = np.full(len(pages), "", dtype=object)
    splits_of = defaultdict(set)
    groups = [group_of(page) for page in pages]
    for name, indices in parts.items():
        where[indices] = name
        for i in indices:
            if groups[i]:
                splits_of[groups[i]].add(name)
    parted = {group for group, page in zip(groups, pages, strict=True) if page.split}
    apart = [(a, b) for a, b in copies if not groups[a] or groups[a] != groups[b]]
    return {
        "pages": {name: len(indices) for name, indices in parts.items()},
        "groups": len(splits_of),
        "groups_shared_across_splits": sum(len(names) > 1 for group, names in splits_of.items() if group not in parted),
        "groups_parted_by_their_source": sum(len(splits_of[group]) > 1 for group in parted if group),
        "pages_without_group": sum(not group for group in groups),
        "near_duplicate_pairs": len(copies),
        "near_duplicate_pairs_kept_together": len(apart),  # those that no common group held together already
        "near_duplicate_pairs_across_splits": sum(where[a] != where[b] for a, b in copies),
        "thresholds": {"image_bits": NEAR_BITS, "of_bits": 256, "text_similarity": NEAR_TEXT},
        **_closest(pages, hashes, parts),
    }


def _closest(pages, hashes, parts) -> dict:
    """The cross-split pairs that are nearest by image, and by text among the nearest by image."""
    pairs: list[tuple[int, int, int]] = []
    for name, others in (("test", ("train", "validation")), ("validation", ("train",))):
        rest = np.array([j for other in others for j in parts[other]], dtype=int)
        for i in parts[name] if len(rest) else ():
            distances = np.bitwise_count(hashes[rest] ^ hashes[i]).sum(axis=1)
            nearest = np.argsort(distances, kind="stable")[:10]
            pairs += [(int(distances[n]), i, int(rest[n])) for n in nearest]
    rows = [_pair(pages, *pair) for pair in sorted(pairs)[:CLOSEST]]
    if not rows:
        return {}
    return {"closest_by_image": rows[0], "closest_by_text": max(rows, key=lambda row: row["text_similarity"])}


def _pair(pages, bits: int, a: int, b: int) -> dict:
    similarity = Levenshtein.normalized_similarity(pages[a].text or "", pages[b].text or "")
    return {"image_bits": bits, "text_similarity": round(similarity, 3), "pages": [pages[a].origin, pages[b].origin]}
