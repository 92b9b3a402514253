"""The ROS 2 side of audio2shape: messages in, messages out. Everything that thinks lives in audio2shape_core."""

from pkgutil import extend_path

# The build generates audio2shape_ros.msg, .srv and .action into the install space. With a source checkout earlier on
# sys.path they would be hidden; this joins both folders into one package.
__path__ = extend_path(__path__, __name__)
