"""Google's scripts that write pretraining instances, over a text with one sentence a line and blank lines between documents.

    google.py original TEXT VOCABULARY OUTPUT    google-research/bert as its package `bert-tensorflow` has it: tokens are masked
    google.py words TEXT VOCABULARY OUTPUT       its successor in `tf-models-official`: jieba's words are masked

Their code runs as it is. For words, the tokenizer gives the Hanzi that continue a word the `##` that marks whole words, which is
what people do who use these scripts for Chinese (Cui et al. 2019), and takes it off again for the id. Prints the instances.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def is_han(token):
    return len(token) == 1 and "\u4e00" <= token <= "\u9fff"


def with_words(base):
    """The tokenizer class `base`, with the marks of jieba's words."""
    import jieba

    jieba.setLogLevel("ERROR")

    class Words(base):
        def tokenize(self, text):
            tokens = super().tokenize(text)
            # Where words begin, in characters without the space between them: the tokenizer drops spaces and lowers letters.
            starts, at = set(), 0
            for word in jieba.lcut("".join(text.split())):
                starts.add(at)
                at += len(word)
            at, marked = 0, []
            for token in tokens:
                marked.append("##" + token if is_han(token) and at not in starts else token)
                at += len(token.removeprefix("##")) if token != "[UNK]" else 1
            return marked

        def convert_tokens_to_ids(self, tokens):
            return super().convert_tokens_to_ids([token[2:] if token[:2] == "##" and is_han(token[2:]) else token for token in tokens])

    return Words


def main():
    kind, text, vocabulary, output = sys.argv[1:]
    if kind == "original":
        from bert import create_pretraining_data as script
        from bert import tokenization

        app, tokenizer = script.tf.app.run, tokenization.FullTokenizer
    else:
        from absl import app as absl_app
        from official.nlp.data import create_pretraining_data as script
        from official.nlp.tools import tokenization

        app, tokenizer = absl_app.run, with_words(tokenization.FullTokenizer)
    tokenization.FullTokenizer = tokenizer
    create = script.create_training_instances

    def counted(*arguments, **named):
        instances = create(*arguments, **named)
        print(len(instances), flush=True)
        return instances

    script.create_training_instances = counted
    flags = {
        "input_file": text,
        "output_file": output,
        "vocab_file": vocabulary,
        "max_seq_length": 128,
        "max_predictions_per_seq": 20,
        "dupe_factor": 5,
    }
    if kind == "words":
        flags["do_whole_word_mask"] = True
    app(script.main, argv=[sys.argv[0], *(f"--{name}={value}" for name, value in flags.items())])


if __name__ == "__main__":
    # The package of this name must be found, not this file's folder.
    sys.path.pop(0)
    main()
