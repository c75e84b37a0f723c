declare module "node-gyp-build" {
  /** Loads the addon of the package in `folder`: build/Release first, then prebuilds/<platform>-<arch>. Throws when none fits. */
  function load(folder: string): unknown;
  export = load;
}
