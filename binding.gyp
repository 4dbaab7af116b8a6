{
  "target_defaults": {
    "cflags": ["-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
    "cflags!": ["-Wno-unused-parameter"],
    "cflags_cc": ["-std=c++20", "-O3"],
    "cflags_cc!": ["-std=gnu++17", "-fno-exceptions", "-fno-rtti"]
  },
  "targets": [
    {
      "target_name": "vhost_pci",
      "sources": [
        "<!@(find addon -name '*.cc' | sort)"
      ],
      "include_dirs": ["addon"],
      "cflags_cc": ["-isystem <!(node -p \"require('path').resolve(require('node-addon-api').include_dir)\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"]
    }
  ]
}
