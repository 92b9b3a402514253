"""A sound file and an image instead of a microphone and a camera, the node, and RViz:

ros2 launch audio2shape_ros demo.launch.py audio:=/path/guitar.wav image:=/path/guitar.jpg
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

ARGUMENTS = {
    "audio": (None, "Sound file to play."),
    "image": ("", "Image file to show; empty for none."),
    "device": ("auto", "Where the model runs: auto, cpu, cuda or cuda:N."),
    "weights_dir": ("", "Folder of the checkpoints; empty for the ones that ship."),
    "rviz": ("true", "Start RViz."),
}


def generate_launch_description():
    generate = Path(get_package_share_directory("audio2shape_ros")) / "launch" / "generate.launch.py"
    passed = {name: LaunchConfiguration(name) for name in ("device", "weights_dir", "rviz")}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(n, default_value=default, description=d) for n, (default, d) in ARGUMENTS.items()),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(generate)), launch_arguments=passed.items()),
            Node(
                package="audio2shape_ros",
                executable="replay_node",
                name="replay",
                output="screen",
                parameters=[{n: ParameterValue(LaunchConfiguration(n), value_type=str) for n in ("audio", "image")}],
            ),
        ]
    )
