// Markdown links that lead out of a folder.
import fs from "node:fs";
import path from "node:path";

const LINK = /(!?)\[((?:[^[\]\\]|\\.)*)\]\(([^)\s]+)\)/g;

/** The targets of relative links that do not exist below `folder`. */
export function missingTargets(text, folder) {
  return Array.from(text.matchAll(LINK), ([, , , target]) => target).filter((target) => !isThere(target, folder));
}

/** The same text with these links pointing to the repository at a tag. Images need the file itself. */
export function withAbsoluteLinks(text, folder, repository, tag) {
  return text.replace(LINK, (link, image, label, target) => {
    if (isThere(target, folder)) return link;
    return `${image}[${label}](${repository}/${image === "" ? "blob" : "raw"}/${tag}/${target})`;
  });
}

function isThere(target, folder) {
  if (/^(?:[a-z][a-z\d+.-]*:|#)/i.test(target)) return true;
  return fs.existsSync(path.join(folder, target.split("#")[0]));
}
