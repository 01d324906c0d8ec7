"""Every table, named once.

Law: a column exists only if it stands here, with its meaning in its field metadata; readers,
writers and the documentation take it from here.
"""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")


def _column(name: str, kind: pa.DataType, description: str, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"description": description})


def _table(name: str, one_row_per: str, columns: list[pa.Field]) -> pa.Schema:
    return pa.schema(columns, metadata={"table": name, "one_row_per": one_row_per})


ARTICLES = _table(
    "articles",
    "article read from an input",
    [
        _column("row", pa.int64(), "zero-based position in its file", nullable=False),
        _column("file", pa.string(), "file or URL it was read from", nullable=False),
        _column("article_id", pa.string(), "the input's id", nullable=False),
        _column("text", pa.large_string(), "the article's text as it came", nullable=False),
        _column("title", pa.large_string(), "headline"),
        _column("source", pa.string(), "outlet that carried it"),
        _column("published_at", TIMESTAMP, "time of publication, UTC"),
        _column("lang", pa.string(), "language tag as it came"),
        _column("url", pa.string(), "address of the article"),
    ],
)

REJECTS = _table(
    "rejects",
    "input row left out",
    [
        _column("row", pa.int64(), "zero-based position in its file; null when a whole file"),
        _column("article_id", pa.string(), "the input's id, where one could be read"),
        _column("reason", pa.string(), "one of the reasons listed below", nullable=False),
        _column("detail", pa.string(), "what was found, in words"),
        _column("file", pa.string(), "file or URL it was read from", nullable=False),
    ],
)

REJECT_REASONS = {
    "bad_json": "the line is not a JSON object",
    "bad_row": "the CSV row has another number of fields than the header",
    "duplicate_id": "an earlier row has the same id and another text",
    "empty_text": "the text is null, empty or white space only",
    "invalid_utf8": "the row holds bytes that are not UTF-8",
    "null_id": "the id is null or empty",
    "repeated_row": "an earlier row has the same id and the same text; kept once",
    "retracted": "the id is on a list of articles to take down",
    "superseded": "a row in a newer file has the same id, and counts (incremental runs)",
    "too_short": "the text has fewer tokens than `min_tokens`",
    "unreadable": "the file broke off here; rows before this one were read, later ones are lost",
    "wrong_type": "a value is not of the column's type",
}

RELATIONS = {
    "identical": "same text after normalisation",
    "copy": "the same wire copy, edited",
    "excerpt": "one holds a substantial part of the other",
    "rewrite": "reworded from the same copy",
    "single": "no relation to any other article; it is its own lead",
    "indirect": "in the cluster through other members; no verified relation to the lead itself",
    "lead": "it is the lead of a cluster of two or more",
}

_RELATION_TO_LEAD = "relation to the lead: " + ", ".join(RELATIONS)

CLUSTERS = _table(
    "clusters",
    "article",
    [
        _column("article_id", pa.string(), "the input's id", nullable=False),
        _column("cluster_id", pa.string(), "cluster it belongs to", nullable=False),
        _column("story_id", pa.string(), "story its cluster belongs to", nullable=False),
        _column("cluster_size", pa.int32(), "articles in the cluster", nullable=False),
        _column("is_lead", pa.bool_(), "whether it is its cluster's lead", nullable=False),
        _column("lead_id", pa.string(), "the lead: the fullest early version", nullable=False),
        _column("relation", pa.string(), _RELATION_TO_LEAD, nullable=False),
        _column("jaccard", pa.float32(), "Jaccard similarity to the lead, 0 to 1", nullable=False),
        _column(
            "containment", pa.float32(), "share of its shingles that the lead holds", nullable=False
        ),
        _column(
            "lead_containment",
            pa.float32(),
            "share of the lead's shingles that it holds",
            nullable=False,
        ),
        _column("agency", pa.string(), "wire agency credited in dateline, byline or credit line"),
        _column("shingles", pa.int32(), "shingles that counted", nullable=False),
        _column(
            "template_shingles", pa.int32(), "shingles left out as page furniture", nullable=False
        ),
        _column("source", pa.string(), "outlet that carried it"),
        _column("published_at", TIMESTAMP, "time of publication, UTC"),
        _column("title", pa.large_string(), "headline"),
    ],
)

PAIRS = _table(
    "pairs",
    "verified pair, left_id < right_id",
    [
        _column("left_id", pa.string(), "article id, the smaller of the two", nullable=False),
        _column("right_id", pa.string(), "article id, the larger of the two", nullable=False),
        _column("cluster_id", pa.string(), "their cluster; null when the cut parted them"),
        _column("relation", pa.string(), "identical, copy, excerpt or rewrite", nullable=False),
        _column("similarity", pa.float32(), "what clusters are cut by, 0 to 1", nullable=False),
        _column(
            "score",
            pa.float32(),
            "probability that an editor would call them the same copy, 0 to 1",
            nullable=False,
        ),
        _column("jaccard", pa.float32(), "shared shingles / all shingles, 0 to 1", nullable=False),
        _column(
            "containment_left", pa.float32(), "share of the left's shingles shared", nullable=False
        ),
        _column(
            "containment_right",
            pa.float32(),
            "share of the right's shingles shared",
            nullable=False,
        ),
        _column(
            "held",
            pa.float32(),
            "share of the one's own words in passages that the other has, times their spread",
            nullable=False,
        ),
        _column("cosine", pa.float32(), "TF-IDF cosine of their own words, 0 to 1", nullable=False),
        _column(
            "agreement", pa.float32(), "share of the figures that agree, 0 to 1", nullable=False
        ),
        _column("shared_shingles", pa.int32(), "number of shared shingles", nullable=False),
        _column("hours_apart", pa.float32(), "hours between publication; null when unknown"),
    ],
)

SUMMARY = _table(
    "summary",
    "cluster of two or more",
    [
        _column("cluster_id", pa.string(), "the cluster", nullable=False),
        _column("story_id", pa.string(), "story it belongs to", nullable=False),
        _column("size", pa.int32(), "articles in it", nullable=False),
        _column("sources", pa.int32(), "distinct known sources in it", nullable=False),
        _column("lead_id", pa.string(), "the lead: the fullest early version", nullable=False),
        _column("lead_title", pa.large_string(), "the lead's headline"),
        _column("lead_source", pa.string(), "the lead's outlet"),
        _column("first_published_at", TIMESTAMP, "earliest publication, UTC"),
        _column("last_published_at", TIMESTAMP, "latest publication, UTC"),
        _column("min_jaccard", pa.float32(), "lowest Jaccard to the lead", nullable=False),
        _column("mean_jaccard", pa.float32(), "mean Jaccard to the lead", nullable=False),
        _column("agency", pa.string(), "agency credited most often in it"),
    ],
)

LINEAGE = _table(
    "lineage",
    "change of a cluster's identity, in the order they came",
    [
        _column("cluster_id", pa.string(), "id that articles belonged to", nullable=False),
        _column("became", pa.string(), "id that they belong to since; null after a retraction"),
        _column("run_id", pa.string(), "run that changed it", nullable=False),
        _column(
            "reason",
            pa.string(),
            "merge: the old id is no longer current; split: it may be; correction: the article has "
            "a new text; retraction: it was taken down",
            nullable=False,
        ),
        _column("article_id", pa.string(), "the article, if it is a correction or a retraction"),
        _column("articles", pa.int32(), "articles that changed their id", nullable=False),
    ],
)

TEMPLATE = _table(
    "template",
    "shingle left out as page furniture or common phrase",
    [
        _column("source", pa.string(), "outlet that repeats it; null for a phrase common to all"),
        _column("shingle", pa.uint64(), "hash of the shingle", nullable=False),
        _column("articles", pa.int32(), "distinct articles it was left out of", nullable=False),
    ],
)

CANDIDATES = _table(
    "candidates",
    "candidate pair and generator that proposed it, left_id < right_id",
    [
        _column("left_id", pa.string(), "smallest id with the left text", nullable=False),
        _column("right_id", pa.string(), "smallest id with the right text", nullable=False),
        _column("generator", pa.string(), "lsh or sketch", nullable=False),
    ],
)

SIGNED = _table(
    "signed",
    "article of a signed shard; internal",
    [
        *(ARTICLES.field(name) for name in ("row", "file", "article_id", "title", "source")),
        ARTICLES.field("published_at"),
        CLUSTERS.field("agency"),
        _column("text_hash", pa.uint64(), "hash of all its tokens in order", nullable=False),
    ],
)

TOKENS = _table(
    "tokens",
    "signed article; internal",
    [_column("tokens", pa.large_list(pa.uint32()), "packed token hashes of its body, in order")],
)

QUOTED = _table(
    "quoted",
    "signed article; internal",
    [_column("quoted", pa.large_list(pa.uint8()), "1 for each token in quotation marks, else 0")],
)

SKETCHES = _table(
    "sketches",
    "signed article, or distinct text without its template; internal",
    [_column("sketch", pa.large_list(pa.uint64()), "sorted sketch")],
)

MATCHED = _table(
    "matched",
    "article by id; internal",
    [
        *(ARTICLES.field(name) for name in ("article_id", "title", "source", "published_at")),
        CLUSTERS.field("agency"),
        _column("distinct", pa.int64(), "number of its text among the distinct texts"),
    ],
)

DISTINCT = _table(
    "distinct",
    "distinct text, in the order of publication; internal",
    [
        _column("place", pa.int64(), "row of its first article among all that were signed"),
        _column("hours", pa.float64(), "first publication, hours since 1970; null if unknown"),
        _column("outlet", pa.int64(), "number of its outlet; -1 if unknown, an agency or several"),
        _column("naming", pa.int64(), "outlet that had it first, from 0; -1 if unknown"),
    ],
)

LEFT_OUT = _table(
    "left_out",
    "template of a text, or what is in one span of hashes of it, by place; internal",
    [
        _column("place", pa.int64(), "as in `distinct`"),
        _column("shingles", pa.large_list(pa.uint64()), "sorted shingle hashes"),
    ],
)

SKETCHED = _table(
    "sketched",
    "distinct text without its template, in the order of places; internal",
    [
        _column("text", pa.int64(), "its number"),
        _column("template", pa.large_list(pa.uint64()), "sorted shingle hashes left out"),
        _column("shingles_counted", pa.int32(), "distinct shingles that count"),
        _column("template_shingles", pa.int32(), "distinct shingles left out as template"),
    ],
)

PREFIXES = _table(
    "prefixes",
    "distinct text; internal",
    [_column("prefixes", pa.large_list(pa.uint16()), "of its shingles that count")],
)

TERMS = _table(
    "terms",
    "distinct text; internal",
    [
        _column("terms", pa.large_list(pa.uint32()), "its heaviest words, packed, as they come"),
        _column("term_counts", pa.large_list(pa.uint8()), "how often each stands in it, up to 255"),
        _column("term_frequencies", pa.large_list(pa.float32()), "of each in the language"),
    ],
)

TALLY = _table(
    "tally",
    "word of the texts of a shard; internal",
    [
        _column("word", pa.uint32(), "packed token, rising"),
        _column("texts", pa.uint32(), "distinct texts of the shard that have it"),
    ],
)

WORDS = _table(
    "words",
    "word of texts; internal",
    [
        _column("word", pa.uint64(), "token hash, rising"),
        _column("texts", pa.int64(), "distinct texts that have it"),
    ],
)

SHARED = _table(
    "shared",
    "pair of distinct texts that share hashes; internal",
    [
        _column("key", pa.uint64(), "the left text's number in the upper 32 bits, the right's"),
        _column("hashes", pa.int32(), "sketch hashes that both have"),
        _column("bands", pa.int32(), "bands in which both have the same key"),
    ],
)

PROPOSED = _table(
    "proposed",
    "candidate pair of distinct texts; internal",
    [
        _column("key", pa.uint64(), "as in `shared`"),
        _column("generators", pa.uint8(), "bits of the generators that proposed it"),
    ],
)

FORMS = _table(
    "forms",
    "pair of distinct texts that fill in one form; internal",
    [
        _column("left", pa.int64(), "number of the left text"),
        _column("right", pa.int64(), "number of the right text, larger than the left"),
    ],
)

SCORED = _table(
    "scored",
    "verified pair of distinct texts; internal",
    [
        _column("left", pa.int64(), "number of the left text"),
        _column("right", pa.int64(), "number of the right text, larger than the left"),
        _column("generators", pa.uint8(), "bits of the generators that proposed it"),
        _column("similarity", pa.float32(), "what clusters are cut by"),
    ],
)

SCORES = _table(
    "scores",
    "all scores of a verified pair of distinct texts, as `verify.Scores` has them; internal",
    [
        _column("key", pa.uint64(), "as in `shared`"),
        _column("shared", pa.int32(), "shingles that both hold"),
        _column("jaccard", pa.float32(), "of shingles"),
        _column("containment_left", pa.float32(), "share of the left's shingles that both hold"),
        _column("containment_right", pa.float32(), "share of the right's shingles"),
        _column("held", pa.float32(), "share of own words in shared passages"),
        _column("longest", pa.float32(), "tokens of the longest shared passage"),
        _column("cosine", pa.float32(), "of own words"),
        _column("agreement", pa.float32(), "share of figures that agree"),
        _column("similarity", pa.float32(), "what clusters are cut by"),
    ],
)

INBOX_FILES = _table(
    "inbox_files",
    "file of an inbox that was processed, in the order it was; internal",
    [
        _column("path", pa.string(), "path below the inbox", nullable=False),
        _column("size", pa.int64(), "bytes", nullable=False),
        _column("sha256", pa.string(), "SHA-256 of its bytes, hexadecimal", nullable=False),
        _column("modified", TIMESTAMP, "last modification, UTC", nullable=False),
    ],
)

REMEMBERED = _table(
    "remembered",
    "article that counts in incremental runs; internal",
    [
        *(ARTICLES.field(name) for name in ("article_id", "title", "source", "published_at")),
        CLUSTERS.field("agency"),
        *(ARTICLES.field(name) for name in ("row", "file")),
        *(INBOX_FILES.field(name) for name in ("path", "modified")),
        _column("text", pa.int64(), "number of its text", nullable=False),
        _column("cluster_id", pa.string(), "cluster it belongs to"),
    ],
)

TEXTS = _table(
    "texts",
    "text that an article has or had, by number; internal",
    [
        _column("hash", pa.uint64(), "hash of all its tokens in order", nullable=False),
        _column("alive", pa.bool_(), "whether an article has it", nullable=False),
        _column("published", pa.int64(), "first publication, microseconds since 1970"),
        _column(
            "seen",
            pa.int64(),
            "first publication, or of undated ones first time of modification of a file",
            nullable=False,
        ),
        _column("day", pa.int64(), "the day of that, since 1970", nullable=False),
        _column("naming", pa.int64(), "outlet that had it first; -1 if unknown", nullable=False),
        _column("outlet", pa.int64(), "its one outlet; -1 as in `distinct`", nullable=False),
        _column("sketched", pa.int64(), "hashes in the sketch of all its shingles", nullable=False),
        _column("edition", pa.int64(), "number of its edition; -1 before the first"),
        _column("story", pa.int64(), "number of its story's first text; -1 before it is told"),
    ],
)

BODIES = _table(
    "bodies",
    "text by number; internal",
    [
        *TOKENS,
        *QUOTED,
        _column("terms", pa.large_list(pa.uint64()), "hashes of its heaviest words as they come"),
        *(TERMS.field(name) for name in ("term_counts", "term_frequencies")),
    ],
)

EDITIONS = _table(
    "editions",
    "text without its template, by number of the edition; internal",
    [
        _column("text", pa.int64(), "number of the text", nullable=False),
        _column("template", pa.large_list(pa.uint64()), "sorted shingle hashes left out"),
        *(SKETCHED.field(name) for name in ("shingles_counted", "template_shingles")),
    ],
)

VERSIONS = _table(
    "versions",
    "pair of texts that are versions of one story; internal",
    [FORMS.field("left"), FORMS.field("right")],
)

FURNITURE = _table(
    "furniture",
    "template of an outlet, or common phrase; internal",
    [
        _column("outlet", pa.int64(), "number of the outlet; -1 for all", nullable=False),
        *(TEMPLATE.field(name) for name in ("shingle", "articles")),
    ],
)

TOLD = _table(
    "told",
    "cluster and the story it is told in; internal",
    [
        *(CLUSTERS.field(name) for name in ("cluster_id", "lead_id", "story_id")),
        _column("first", pa.float64(), "first publication, hours since 1970", nullable=False),
    ],
)

OUTPUT_TABLES = (CLUSTERS, PAIRS, SUMMARY, REJECTS, LINEAGE, TEMPLATE, CANDIDATES)


def table_name(schema: pa.Schema) -> str:
    """Name of the table a schema describes, which is also its folder in a run."""
    return schema.metadata[b"table"].decode()


def markdown() -> str:
    """The output tables in Markdown, with every column, reason and relation."""
    parts = []
    for schema in OUTPUT_TABLES:
        one_row_per = schema.metadata[b"one_row_per"].decode()
        parts += [f"### `{table_name(schema)}`: one row per {one_row_per}", ""]
        parts += ["| column | type | meaning |", "|---|---|---|"]
        parts += [
            f"| `{field.name}` | {field.type} | {field.metadata[b'description'].decode()} |"
            for field in schema
        ]
        parts.append("")
    parts += ["### Reasons in `rejects`", "", "| reason | meaning |", "|---|---|"]
    parts += [f"| `{reason}` | {meaning} |" for reason, meaning in REJECT_REASONS.items()]
    return "\n".join(parts) + "\n"
