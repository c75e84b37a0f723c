"""The results of transformers 5 for tokenizer folders: each class, vocabulary files without tokenizer.json, truncation, patterns, added tokens.

    HF_HUB_OFFLINE=1 python generate.py

Writes cases.json next to this file: { "texts", "pairs", "cases": [{ "name", "files", "max_length"?, "single", "pairs", "types", "error"? }] }.
A case's files are JSON objects, or strings as they are written. Where the reference fails, "error" has the kind of its error and no ids.
Also checks lib/tokenization/files/unsupported-classes.ts: every class of the installed transformers is in it, or a case here.

Made with transformers 5.24.0, tokenizers 0.23.3.
"""

import json
import re
import tempfile
from pathlib import Path

import transformers
from transformers import AutoTokenizer
from transformers.models.auto import tokenization_auto

HERE = Path(__file__).parent

TEXTS = [
    "",
    "Import THE module, naïve café!",
    " two  spaces and\ttabs\n",
    "[CLS] <s> [MASK] x<mask>y </s>zznew [SEP]",
    "東京 hello’s 12345 don't",
    "<s>NOTUSED a b ab abc",
]
PAIRS = [["the query", "a document that the query finds"], ["", "b"], ["ab abc", "Import"]]

LETTERS = [chr(c) for c in range(97, 123)]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "import", "module", "query", "document", "naive", "cafe", "naïve", "café", "Import", "THE", "two", "a", "##s", "##port", "IM"]
WORDPIECE = SPECIALS + LETTERS + ["##" + c for c in LETTERS] + WORDS[:-4] + ["東", "京", "!", ",", "'", "##port", "IM", "ab", "abc", "##b"]
WORDPIECE = list(dict.fromkeys(WORDPIECE))


def byte_alphabet():
    visible = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    chars, extra = {b: chr(b) for b in visible}, 0
    for b in range(256):
        if b not in chars:
            chars[b] = chr(256 + extra)
            extra += 1
    return [chars[b] for b in range(256)]


MERGES = [("t", "h"), ("th", "e"), ("Ġ", "a"), ("a", "b"), ("ab", "c"), ("Ġ", "t"), ("i", "m"), ("o", "r"), ("Ġa", "b"), ("#", "#")]


def bpe_vocab(specials):
    return {t: i for i, t in enumerate(dict.fromkeys(specials + byte_alphabet() + [a + b for a, b in MERGES]))}


def tokens(contents, first=0):
    return [
        {"id": first + i, "content": c, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, c in enumerate(contents)
    ]


def tokenizer_json(model, added, **parts):
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model, **parts,
    }


BERT_FILE = tokenizer_json(
    {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
     "vocab": {t: i for i, t in enumerate(WORDPIECE)}},
    tokens(SPECIALS),
    pre_tokenizer={"type": "WhitespaceSplit"},
)
ROBERTA_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BPE_FILE = tokenizer_json(
    {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
     "byte_fallback": False, "ignore_merges": False, "vocab": bpe_vocab(ROBERTA_SPECIALS), "merges": [list(m) for m in MERGES]},
    tokens(ROBERTA_SPECIALS),
    pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    post_processor={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
)
DEBERTA_FILE = json.loads(json.dumps(BPE_FILE))
DEBERTA_FILE["model"]["vocab"] = bpe_vocab(["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"])
DEBERTA_FILE["added_tokens"] = tokens(["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"])
PIECES = (
    [[t, 0.0] for t in ["<s>", "<pad>", "</s>", "<unk>"]] + [["▁", -2.0]] + [[c, -4.0 - i / 10] for i, c in enumerate(LETTERS)]
    + [[t, -3.0] for t in ["▁the", "▁import", "▁Im", "port", "▁a", "ab", "abc", "東", ",", "!", "'"]] + [["<mask>", 0.0]]
)
UNIGRAM_FILE = tokenizer_json(
    {"type": "Unigram", "unk_id": 3, "vocab": PIECES, "byte_fallback": False},
    [t for t in tokens([p[0] for p in PIECES]) if t["content"] in ROBERTA_SPECIALS],
    normalizer={"type": "Lowercase"},
    pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
)
SENTENCEPIECE_SPECIALS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<s>", "</s>"]
SENTENCEPIECE_MERGES = [("▁", "a"), ("t", "h"), ("th", "e"), ("▁", "the"), ("▁", "▁"), ("▁", "t"), ("o", "r"), ("a", "b"), ("q", "u"), ("I", "m"), ("▁", "Im")]
SENTENCEPIECE_FILE = tokenizer_json(
    {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
     "byte_fallback": True, "ignore_merges": False, "merges": [list(m) for m in SENTENCEPIECE_MERGES],
     "vocab": {t: i for i, t in enumerate(dict.fromkeys(
         SENTENCEPIECE_SPECIALS + [f"<0x{b:02X}>" for b in range(256)] + ["▁", *LETTERS, "I", "M", "T", "!", "東"] + [a + b for a, b in SENTENCEPIECE_MERGES]))}},
    tokens(SENTENCEPIECE_SPECIALS),
    normalizer={"type": "Prepend", "prepend": "▁"},
    post_processor={"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                    "pair": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<bos>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
                    "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}},
)
# Without tokens for bytes, so that some characters are unknown.
BYTELESS_FILE = json.loads(json.dumps(SENTENCEPIECE_FILE))
BYTELESS_FILE["model"]["vocab"] = {t: i for i, t in enumerate(t for t in SENTENCEPIECE_FILE["model"]["vocab"] if not t.startswith("<0x"))}
ALTERED = {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False, "add_prefix_space": True}

cases = []


def case(name, files, max_length=None):
    cases.append({"name": name, "files": files, **({} if max_length is None else {"max_length": max_length})})


def named(class_name, files, model_type="bert", **config):
    return {**files, "tokenizer_config.json": {"tokenizer_class": class_name, **config}, "config.json": {"model_type": model_type}}


FILES = {"WordPiece": BERT_FILE, "BPE": BPE_FILE, "Unigram": UNIGRAM_FILE}
BERT_CLASSES = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "LxmertTokenizer", "MobileBertTokenizer", "SqueezeBertTokenizer", "MPNetTokenizer"]
BPE_CLASSES = ["RobertaTokenizer", "BartTokenizer", "LEDTokenizer", "LongformerTokenizer", "MvpTokenizer", "DebertaTokenizer", "GPT2Tokenizer"]
UNIGRAM_CLASSES = ["XLMRobertaTokenizer", "CamembertTokenizer", "DebertaV2Tokenizer"]
GENERIC_CLASSES = ["PreTrainedTokenizerFast", "PreTrainedTokenizer", "TokenizersBackend", "PythonBackend", "BloomTokenizer", "ParakeetTokenizer", "SomeTokenizer"]
for classes, kind in [(BERT_CLASSES, "WordPiece"), (BPE_CLASSES, "BPE"), (UNIGRAM_CLASSES, "Unigram")]:
    for class_name in classes:
        case(f"{class_name}, {kind}", named(class_name, {"tokenizer.json": FILES[kind]}))
        case(f"{class_name}Fast, {kind}, altered", named(class_name + "Fast", {"tokenizer.json": FILES[kind]}, **ALTERED))
for class_name in GENERIC_CLASSES:
    for kind, file in FILES.items():
        case(f"{class_name}, {kind}", named(class_name, {"tokenizer.json": file}))
for class_name in ["BertTokenizer", "MPNetTokenizer", "RobertaTokenizer", "DebertaTokenizer", "GPT2Tokenizer", "XLMRobertaTokenizer"]:
    for kind, file in FILES.items():
        case(f"{class_name} over {kind}", named(class_name, {"tokenizer.json": file}, "roberta"))
QWEN_CLASSES, SENTENCEPIECE_CLASSES = ["Qwen2Tokenizer"], ["GemmaTokenizer", "LlamaTokenizer"]
for class_name in QWEN_CLASSES + SENTENCEPIECE_CLASSES:
    for kind, file in {**FILES, "SentencePiece BPE": SENTENCEPIECE_FILE, "BPE without bytes": BYTELESS_FILE}.items():
        case(f"{class_name} over {kind}", named(class_name, {"tokenizer.json": file}, "llama"))
        case(f"{class_name}Fast over {kind}, altered", named(class_name + "Fast", {"tokenizer.json": file}, "llama", legacy=True, **ALTERED))
    case(f"{class_name}, no prefix", named(class_name, {"tokenizer.json": SENTENCEPIECE_FILE}, "llama", add_prefix_space=False))
    case(f"{class_name}, legacy", named(class_name, {"tokenizer.json": SENTENCEPIECE_FILE}, "llama", legacy=True))
    case(f"{class_name}, null tokens", named(class_name, {"tokenizer.json": SENTENCEPIECE_FILE}, "llama", bos_token=None, unk_token=None if class_name != "GemmaTokenizer" else "<unk>", pad_token=None))
    case(f"{class_name}, add_eos_token", named(class_name, {"tokenizer.json": SENTENCEPIECE_FILE}, "llama", add_eos_token=True))
    case(f"{class_name}, no post_processor", named(class_name, {"tokenizer.json": {**SENTENCEPIECE_FILE, "post_processor": None}}, "llama", add_bos_token=True))
    for model_type in ["qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "mistral", "phi3"]:
        for kind in ["BPE", "SentencePiece BPE"]:
            case(f"{model_type}, {class_name} over {kind}", named(class_name, {"tokenizer.json": {**FILES, "SentencePiece BPE": SENTENCEPIECE_FILE}[kind]}, model_type))
for model_type, kind in [("qwen2", "BPE"), ("qwen3", "BPE"), ("gemma", "SentencePiece BPE"), ("gemma2", "SentencePiece BPE"), ("gemma3_text", "SentencePiece BPE"), ("llama", "SentencePiece BPE"), ("llama", "BPE"), ("mistral", "SentencePiece BPE")]:
    model = {"config.json": {"model_type": model_type}, "tokenizer.json": {**FILES, "SentencePiece BPE": SENTENCEPIECE_FILE}[kind]}
    case(f"{model_type}, no class, {kind}", model)
    case(f"{model_type}, PreTrainedTokenizerFast, {kind}", {**model, "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}})
case("a null mask_token, BertTokenizer", named("BertTokenizer", {"tokenizer.json": BERT_FILE}, mask_token=None))
case("a null mask_token in special_tokens_map.json, BertTokenizer", named("BertTokenizer", {"tokenizer.json": BERT_FILE, "special_tokens_map.json": {"mask_token": None}}, mask_token="[MASK]"))
case("DebertaTokenizer, its own specials", named("DebertaTokenizer", {"tokenizer.json": DEBERTA_FILE}, "deberta"))

for model_type in ["bert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta", "camembert", "deberta", "deberta-v2", "modernbert", "gte"]:
    kind = {"roberta": "BPE", "deberta": "BPE", "xlm-roberta": "Unigram", "camembert": "Unigram", "deberta-v2": "Unigram", "gte": "Unigram"}.get(model_type, "WordPiece")
    model = {"config.json": {"model_type": model_type}, "tokenizer.json": FILES[kind]}
    case(f"{model_type}, no class", model)
    case(f"{model_type}, class in config.json", {**model, "config.json": {"model_type": model_type, "tokenizer_class": "BertTokenizerFast"}, "tokenizer.json": BERT_FILE})
    case(f"{model_type}, BertTokenizer", {**model, "tokenizer.json": BERT_FILE, "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"}})
    case(f"{model_type}, PreTrainedTokenizerFast", {**model, "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}})
    case(f"{model_type}, a class of its own", {**model, "tokenizer_config.json": {"tokenizer_class": "SomeTokenizer", "auto_map": {"AutoTokenizer": ["x.SomeTokenizer", None]}}})
    case(f"{model_type}, auto_map with a known class", {**model, "tokenizer.json": BERT_FILE, "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "auto_map": {"AutoTokenizer": ["x.SomeTokenizer", None]}}})

# Vocabulary files without tokenizer.json.
LINES = "\n".join(WORDPIECE)
for name, text in {
    "plain": LINES + "\n",
    "no last newline": LINES,
    "CRLF": LINES.replace("\n", "\r\n") + "\r\n",
    "trailing white space": LINES.replace("\nthe\n", "\nthe \t\u00a0\u3000\n") + "\n",
    "leading white space": LINES.replace("\nthe\n", "\n the\n") + "\n",
    "duplicates": LINES.replace("\nquery\n", "\nthe\n") + "\n",
    "duplicates behind": LINES + "\nthe\nab\n",
    "blank lines": LINES.replace("\nquery\n", "\n\n\n") + "\n\n\n",
    "last line of spaces": LINES + "\n  ",
    "a carriage return inside": LINES.replace("\nthe\n", "\nth\re\n") + "\r",
    "other line separators": LINES.replace("\nthe\n", "\nthe\u2028query\x85x\x0bb\x0cc\x1cd\n") + "\n",
    "byte order mark": "\ufeff" + LINES + "\n",
    "no [MASK]": LINES.replace("[MASK]\n", "") + "\n",
    "zero bytes": LINES.replace("\nthe\n", "\nth\0e\n") + "\n",
}.items():
    for class_name in ["BertTokenizer", "MPNetTokenizer"]:
        case(f"vocab.txt, {name}, {class_name}", named(class_name, {"vocab.txt": text}))
case("vocab.txt and vocab.json, BertTokenizer", named("BertTokenizer", {"vocab.txt": LINES, "vocab.json": bpe_vocab([]), "merges.txt": ""}))
case("vocab.txt, added_tokens.json", named("BertTokenizer", {"vocab.txt": LINES, "added_tokens.json": {"zznew": 200, "</s>": 150, "[SEP]": 3}}))
case("vocab.txt, duplicates and added_tokens.json", named("BertTokenizer", {"vocab.txt": LINES.replace("\nquery\n", "\nthe\n"), "added_tokens.json": {"zznew": 200, "</s>": 150}}))
case("vocab.txt, special_tokens_map.json", named("BertTokenizer", {"vocab.txt": LINES, "special_tokens_map.json": {"mask_token": {"content": "<mask>", "lstrip": True}, "additional_special_tokens": ["zznew"]}}))
case("vocab.txt, added_tokens_decoder", named("BertTokenizer", {"vocab.txt": LINES, "added_tokens.json": {"</s>": 150}, "special_tokens_map.json": {"mask_token": "<mask>"}}, added_tokens_decoder={"300": {"content": "zznew", "lstrip": True}, "2": {"content": "[CLS]", "special": True}}))
MERGES_TEXT = "\n".join(" ".join(m) for m in MERGES)
for class_name, specials in [("RobertaTokenizer", ROBERTA_SPECIALS), ("DebertaTokenizer", SPECIALS), ("GPT2Tokenizer", ["<|endoftext|>"]), ("Qwen2Tokenizer", ["<|endoftext|>"])]:
    vocab = bpe_vocab(specials)
    for name, text in {
        "plain": "#version: 0.2\n" + MERGES_TEXT + "\n",
        "no header, no last newline": MERGES_TEXT,
        "CRLF": "#version: 0.2\r\n" + MERGES_TEXT.replace("\n", "\r\n") + "\r\n",
        "a header inside": MERGES_TEXT.replace("\na b\n", "\n#version: x y\na b\n"),
        "a blank line": MERGES_TEXT.replace("\na b\n", "\na b\n\n"),
        "trailing spaces": MERGES_TEXT.replace("\na b\n", "\na b \n"),
        "a comment": "# a comment\n" + MERGES_TEXT,
        "duplicates": MERGES_TEXT + "\nt h\n",
        "an unknown token": MERGES_TEXT + "\n東 京\n",
    }.items():
        case(f"merges.txt, {name}, {class_name}", named(class_name, {"vocab.json": vocab, "merges.txt": text}, "roberta"))
    case(f"vocab.json alone, {class_name}", named(class_name, {"vocab.json": vocab}, "roberta"))
    case(f"vocab.json with holes, {class_name}", named(class_name, {"vocab.json": {t: 3 * i for t, i in vocab.items()}, "merges.txt": MERGES_TEXT}, "roberta"))
case("GPT2Tokenizer, add_bos_token", named("GPT2Tokenizer", {"vocab.json": bpe_vocab(["<|endoftext|>"]), "merges.txt": MERGES_TEXT}, "roberta", add_bos_token=True))
case("GPT2Tokenizer, add_bos_token and add_eos_token", named("GPT2Tokenizer", {"vocab.json": bpe_vocab(["<|endoftext|>"]), "merges.txt": MERGES_TEXT}, "roberta", add_bos_token=True, add_eos_token=True))
case("GPT2Tokenizer, add_bos_token beside tokenizer.json", named("GPT2Tokenizer", {"tokenizer.json": BPE_FILE}, "roberta", add_bos_token=True))

# Special and added tokens.
ADDED = {"id": 120, "content": "zznew", "single_word": False, "lstrip": True, "rstrip": False, "normalized": True, "special": False}
for class_name in ["BertTokenizer", "PreTrainedTokenizerFast", "CamembertTokenizer"]:
    file = UNIGRAM_FILE if class_name == "CamembertTokenizer" else BERT_FILE
    base = {"tokenizer.json": {**file, "added_tokens": file["added_tokens"] + [ADDED]}}
    case(f"added token, {class_name}", named(class_name, base))
    case(f"added token, split_special_tokens, {class_name}", named(class_name, base, split_special_tokens=True, extra_special_tokens=["zznew"]))
    case(f"extra_special_tokens, {class_name}", named(class_name, {"tokenizer.json": file}, extra_special_tokens=["zznew", "don't"]))
    case(f"additional_special_tokens, {class_name}", named(class_name, {"tokenizer.json": file}, additional_special_tokens=["zznew"]))
    case(f"named extra_special_tokens, {class_name}", named(class_name, {"tokenizer.json": file}, extra_special_tokens={"image_token": "zznew"}))
    case(f"custom token, {class_name}", named(class_name, {"tokenizer.json": file}, image_token="zznew", use_token=True))
    case(f"special_tokens_map.json, {class_name}", named(class_name, {"tokenizer.json": file, "special_tokens_map.json": {"mask_token": {"content": "x", "lstrip": False, "rstrip": True}, "extra_special_tokens": ["zznew"]}}, extra_special_tokens=["don't"]))
    case(f"other special tokens, {class_name}", named(class_name, {"tokenizer.json": file}, cls_token="a", sep_token="b", bos_token="a", eos_token="b", unk_token="<unk>" if class_name == "CamembertTokenizer" else "[UNK]"))

# Truncation: the side, and a maximum.
for side_config, side_file in [("left", None), ("right", "Left"), (None, "Left"), ("left", "Right")]:
    for kind, class_name in [("WordPiece", "BertTokenizer"), ("BPE", "RobertaTokenizer"), ("WordPiece", "PreTrainedTokenizerFast"), ("Unigram", "DebertaV2Tokenizer")]:
        truncation = None if side_file is None else {"direction": side_file, "max_length": 512, "strategy": "LongestFirst", "stride": 0}
        config = {} if side_config is None else {"truncation_side": side_config}
        for max_length in [4, 5, 6, 7, 8, 9]:
            case(f"truncation_side {side_config}, direction {side_file}, {class_name}, {max_length} tokens",
                 named(class_name, {"tokenizer.json": {**FILES[kind], "truncation": truncation}}, padding_side="left", **config), max_length)


def encode(folder, item):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    options = {} if "max_length" not in item else {"truncation": "longest_first", "max_length": item["max_length"]}
    single = [tokenizer(t, **options)["input_ids"] for t in TEXTS]
    pairs = [tokenizer(a, b, **options) for a, b in PAIRS]
    item.update(single=single, pairs=[p["input_ids"] for p in pairs], types=[p.get("token_type_ids") for p in pairs])


def check_names():
    listed = set(re.findall(r'"(\w+)"', (HERE / "../../../../lib/tokenization/files/unsupported-classes.ts").read_text()))
    known = {n for n in dir(transformers) if n.endswith("Tokenizer")} | {v for v in tokenization_auto.TOKENIZER_MAPPING_NAMES.values() if v}
    tested = set(BERT_CLASSES + BPE_CLASSES + UNIGRAM_CLASSES + QWEN_CLASSES + SENTENCEPIECE_CLASSES + GENERIC_CLASSES)
    missing = {n.removesuffix("Fast") for n in known} - listed - tested
    missing -= {"AutoTokenizer", "BasicTokenizer", "CharacterTokenizer", "MecabTokenizer", "WordpieceTokenizer"}  # not for folders
    assert not missing, f"neither supported nor refused: {sorted(missing)}"


check_names()
for item in cases:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in item["files"].items():
            (Path(folder) / name).write_bytes((content if isinstance(content, str) else json.dumps(content)).encode())
        try:
            encode(folder, item)
        except Exception as error:  # the kind alone: messages differ between versions
            item["error"] = type(error).__name__

# Files that many cases share are written once.
shared = {}
for item in cases:
    item["files"] = {n: shared.setdefault(json.dumps(c), len(shared)) for n, c in item["files"].items()}
result = {"texts": TEXTS, "pairs": PAIRS, "files": [json.loads(c) for c in shared], "cases": cases}
(HERE / "cases.json").write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")
print(len(cases), "cases,", sum("error" in c for c in cases), "that the reference refuses")
