"""`audio2shape pretrained DIR`: fetch the paper's frozen encoders. The only command that uses the internet."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `pretrained` to the command line's parser."""
    p = commands.add_parser("pretrained", help="fetch the paper's frozen encoders (Wav2CLIP, CLIP ViT-B/32)")
    p.add_argument("folder", metavar="DIR", help="where Wav2CLIP.pt and CLIP's weights go; files there are kept")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from audio2shape_core.alignment.pretrained import download

    print(*download(args.folder), sep="\n")
