/** esbuild bundles style sheets as their minified text. */
declare module "*.css" {
  const text: string;
  export default text;
}
