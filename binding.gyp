{
  # GYP_DEFINES=werror=1, as in .ci/run: warnings of compilers that we have not met break no user's build.
  "variables": { "werror%": 0 },
  "target_defaults": {
    "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden"],
    "cflags!": ["-Wno-unused-parameter"],
    "cflags_cc": ["-std=c++20", "-O3"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions", "-fno-rtti"],
    "conditions": [["werror==1", { "cflags": ["-Werror"] }]]
  },
  "targets": [
    {
      "target_name": "vhost_pci",
      "sources": [
        "<!@(find addon -name '*.cc' | sort)"
      ],
      "include_dirs": ["addon"],
      # Relative to build/, where make runs: the folder of a clone may have spaces and quotes in its name.
      "cflags_cc": ["-isystem ../<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"]
    }
  ]
}
