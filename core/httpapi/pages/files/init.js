// Starts the API reference on the documentation page. It runs before the reference's own script, which is deferred too.
"use strict";

(() => {
  // The reference validates with a library that first tries eval. The page's policy forbids that, so it is told not to try.
  globalThis.__zod_globalConfig = { jitless: true };

  document.addEventListener("DOMContentLoaded", () => {
    const place = document.getElementById("reference");
    const nowhere = "about:blank";

    // The reference explains a status by a link to another site. Its text stays, the link goes.
    const unlink = () => {
      for (const link of place.querySelectorAll('a[href^="https://developer.mozilla.org/"]')) link.removeAttribute("href");
    };
    new MutationObserver(unlink).observe(place, { subtree: true, childList: true, attributeFilter: ["href"] });

    Scalar.createApiReference(place, {
      url: place.dataset.openapi,
      // Requests go to where this page came from, whatever address the document names: the policy allows no other.
      servers: [{ url: window.location.origin + place.dataset.base }],

      // A token lives as long as the page: it is never written to the browser's storage.
      persistAuth: false,
      authentication: { preferredSecurityScheme: place.dataset.scheme },

      // Nothing leaves the origin.
      proxyUrl: "",
      telemetry: false,
      withDefaultFonts: false,
      agent: { disabled: true },
      mcp: { disabled: true },
      hideClientButton: true,
      showDeveloperTools: "never",
      externalUrls: { dashboardUrl: nowhere, registryUrl: nowhere, proxyUrl: nowhere, apiBaseUrl: nowhere },

      theme: "default",
      documentDownloadType: "both",
      defaultOpenAllTags: true,
      defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
    });
  });
})();
