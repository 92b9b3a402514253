"""`audio2shape view FILE`: look at a result in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from audio2shape_core.cli.arguments import count


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `view` to the command line's parser."""
    p = commands.add_parser("view", help="look at a result in the browser (needs the extra [view])")
    p.add_argument("file", metavar="FILE", help=".ply, .npz, .obj, .splat; a .ply may hold points or 3D Gaussians")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines in")
    p.add_argument("--port", type=count(1, 65_535), default=8080, help="first port to try (default: 8080)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Serve until interrupted."""
    from audio2shape_core.viewer import read_scene, serve

    server = serve(read_scene(args.file), Path(args.file).name, host=args.host, port=args.port)
    host = f"[{args.host}]" if ":" in args.host else args.host
    print(f"{args.file} at http://{host}:{server.get_port()}  (stop with Ctrl-C)", flush=True)
    server.sleep_forever()
