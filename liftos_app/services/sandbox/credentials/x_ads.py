"""What the imitated X takes. Invented; it opens nothing else."""

from typing import Final

_APP: Final = {
    "client_id": "Larkspur0DemoApp7Kq2Vw5Zt",
    "client_secret": "Lk4sandbox9Qw2Er5Ty8Ui1Op3As6Df0Gh7Jk4Zx2Cv5Bn8Mlq",
}
DEMO: Final = {
    "oauth": dict(_APP),
    "token": {
        **_APP,
        "access_token": "2417000001-LarkspurStatic0Token7Qw3Er5Ty8Ui1Op3As6D",
        "access_token_secret": "LsStaticSecret4Tz8Kq2Vw5Nb1Xc9Mj6Hg3Fd0Sa7Po",
    },
}
SPARE: Final = {
    "access_token": "2417000001-LarkspurSpare1Token4Zx2Cv5Bn8Mq7Wr9Ei2U",
    "access_token_secret": "LsSpareSecret7Wr9Ei2Uo4Pa6Sd8Fg1Hj3Kl5Zx0Cv2",
}
