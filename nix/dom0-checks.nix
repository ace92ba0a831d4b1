# What looks at a booted dom0, as a library for the Python of a NixOS test's driver. It needs the standard library and
# nothing else, so none of xenbump's dependencies has to fit the driver's.
{
  lib,
  buildPythonPackage,
  python,
}:

buildPythonPackage {
  pname = "xenbump-dom0";
  version = "0";
  pyproject = false;

  src = lib.fileset.toSource {
    root = ../xenbump;
    fileset = lib.fileset.unions [
      ../xenbump/__init__.py
      ../xenbump/dom0
      ../xenbump/py.typed
    ];
  };

  dontBuild = true;
  installPhase = ''
    runHook preInstall
    mkdir -p $out/${python.sitePackages}
    cp -r . $out/${python.sitePackages}/xenbump
    runHook postInstall
  '';

  pythonImportsCheck = [ "xenbump.dom0.nixos" ];

  meta = {
    description = "Checks of a booted Xen dom0";
    license = lib.licenses.mit;
    platforms = lib.platforms.unix;
  };
}
