/** An addon embedded with `type: "file"`: its path inside the executable. */
declare module "*.node" {
  const path: string;
  export default path;
}
