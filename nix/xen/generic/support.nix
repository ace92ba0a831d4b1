# How long branches are supported, as SUPPORT.md at the tips of their stable branches has it. The last day counts.
{
  "4.17" = {
    full = "2024-06-12";
    security = "2027-12-12";
  };
  "4.18" = {
    full = "2025-05-16";
    security = "2028-11-16";
  };
  "4.19" = {
    full = "2026-01-29";
    security = "2029-07-29";
  };
  "4.20" = {
    full = "2028-03-05";
    security = "2030-03-05";
  };
  "4.21" = {
    full = "2028-11-19";
    security = "2030-11-19";
  };
  "4.22" = {
    full = "2029-07-30";
    security = "2031-07-30";
  };
}
