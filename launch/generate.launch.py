"""Start the node `audio2shape`: ros2 launch audio2shape_ros generate.launch.py --show-args"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

SHARE = Path(get_package_share_directory("audio2shape_ros"))
# name: (default, description). An empty default leaves the value to params_file.
ARGUMENTS = {
    "namespace": ("", "Namespace of the node and its topics."),
    "params_file": (str(SHARE / "config" / "generate.yaml"), "YAML file with the node's parameters."),
    "audio_topic": ("audio", "Sound: AudioData, AudioDataStamped or AudioStamped of audio_common_msgs."),
    "audio_info_topic": ("audio_info", "audio_common_msgs/AudioInfo of that sound (ros-drivers)."),
    "image_topic": ("image", "Camera image, sensor_msgs/Image."),
    "camera_info_topic": ("camera_info", "Its calibration, sensor_msgs/CameraInfo."),
    "depth_topic": ("depth", "Depth registered to that image (32FC1 metres or 16UC1 millimetres), for metric scale."),
    "device": ("", "Where the model runs: auto, cpu, cuda or cuda:N."),
    "weights_dir": ("", "Folder of the checkpoints; empty for the ones that ship."),
    "frame_id": ("", "Frame of the cloud; empty for the camera's optical frame."),
    "trigger_mode": ("", "When to make a shape: continuous, onset or on_demand."),
    "autostart": ("true", "Configure and activate at once; false for a lifecycle manager."),
    "use_sim_time": ("false", "Follow /clock, for bags and simulators."),
    "log_level": ("info", "debug, info, warn, error or fatal."),
    "respawn": ("false", "Start the node again when it ends."),
    "rviz": ("false", "Also start RViz with a view of the result."),
    "camera_frame": ("camera_optical_frame", "RViz: the camera's frame; without a camera, shapes stand 2 m before it."),
}
OVERRIDES = {
    "device": "device",
    "weights_dir": "weights_dir",
    "frame_id": "output.frame_id",
    "trigger_mode": "trigger.mode",
}


def shape_node(context):
    """The node, with those parameters that were given as arguments on top of the file's."""
    given = {argument: LaunchConfiguration(argument).perform(context) for argument in OVERRIDES}
    parameters = {OVERRIDES[name]: ParameterValue(value, value_type=str) for name, value in given.items() if value}
    for name in ("autostart", "use_sim_time"):
        parameters[name] = ParameterValue(LaunchConfiguration(name), value_type=bool)
    return [
        Node(
            package="audio2shape_ros",
            executable="shape_node",
            name="audio2shape",
            output="screen",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), parameters],
            remappings=[
                ("audio", LaunchConfiguration("audio_topic")),
                ("audio_info", LaunchConfiguration("audio_info_topic")),
                ("image", LaunchConfiguration("image_topic")),
                ("camera_info", LaunchConfiguration("camera_info_topic")),
                ("depth", LaunchConfiguration("depth_topic")),
                ("image/compressed", [LaunchConfiguration("image_topic"), "/compressed"]),
            ],
            respawn=LaunchConfiguration("respawn").perform(context) == "true",
            respawn_delay=2.0,
            arguments=["--ros-args", "--log-level", ["audio2shape:=", LaunchConfiguration("log_level")]],
        )
    ]


def rviz(context):
    """RViz, and where its view finds the frame in which shapes stand upright as long as there is no camera."""
    if not IfCondition(LaunchConfiguration("rviz")).evaluate(context):
        return []
    camera_frame, frame = (LaunchConfiguration(name).perform(context) for name in ("camera_frame", "frame_id"))
    namespace = LaunchConfiguration("namespace").perform(context).strip("/")
    own_frame = f"{namespace}/audio2shape".strip("/")  # the node's full name
    facing = ["--z", "2", "--qx", "0.5", "--qy", "0.5", "--qz", "-0.5", "--qw", "0.5"]  # x to the camera, z up
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=LaunchConfiguration("namespace"),
            arguments=["-d", str(SHARE / "config" / "generate.rviz"), "-f", frame or camera_frame],
            parameters=[{"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}],
            remappings=[("image", LaunchConfiguration("image_topic"))],
        ),
        Node(
            package="tf2_ros",
            executable="static_transform_publisher",
            name="without_camera",
            arguments=[*facing, "--frame-id", camera_frame, "--child-frame-id", own_frame],
        ),
    ]


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=shape_node), OpaqueFunction(function=rviz)])
