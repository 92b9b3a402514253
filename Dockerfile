# audio2shape on a ROS 2 base image:  docker build -t audio2shape . && docker run --rm -it --net=host audio2shape
# Another distribution: --build-arg ROS_DISTRO=kilted. For CUDA, build with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128
# and run with --gpus all.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base
ARG ROS_DISTRO
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

RUN apt-get update && apt-get install -y --no-install-recommends \
      python3-pip python3-venv libgl1 libglib2.0-0 ros-${ROS_DISTRO}-audio-common-msgs ros-${ROS_DISTRO}-vision-msgs \
      ros-${ROS_DISTRO}-visualization-msgs ros-${ROS_DISTRO}-tf2-ros-py \
    && rm -rf /var/lib/apt/lists/*

# The learning libraries live in a virtual environment that also sees ROS's own Python packages.
RUN python3 -m venv --system-site-packages /opt/audio2shape
ENV PATH=/opt/audio2shape/bin:$PATH
WORKDIR /ws/src/audio2shape
COPY setup.py pyproject.toml constraints.txt README.md LICENSE ./
COPY audio2shape_core audio2shape_core
COPY audio2shape_ros audio2shape_ros
RUN pip install --no-cache-dir -c constraints.txt --extra-index-url ${TORCH_INDEX} .

COPY . .
WORKDIR /ws
# colcon from the virtual environment: its interpreter is the one that the node's scripts get.
RUN pip install --no-cache-dir colcon-core colcon-ros colcon-cmake \
    && . /opt/ros/${ROS_DISTRO}/setup.sh && python -m colcon build --merge-install

RUN printf '#!/bin/sh\n. /opt/ros/%s/setup.sh\n. /ws/install/setup.sh\nexec "$@"\n' ${ROS_DISTRO} > /entrypoint.sh \
    && chmod +x /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "audio2shape_ros", "generate.launch.py"]
